#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backplane_messages_conformance.hpp"

// Wakes, callbacks that call back, and hubs that come and go, as backplane.hpp promises.

namespace voicechan {

TEST_P(BackplaneConformanceTest, WakeIsCalledOnceForAllThatWaits) {
  for (Hub* hub : {&a, &b, &c}) hub->subscribe("g");
  for (int i = 0; i < 10; ++i) {
    a.publish("g", "a");
    a.port->flush();
    c.publish("g", "c");
    c.port->flush();
    backplane->publish("g", Frame::control_text("outside"));
    a.send({a.make_peer(), b.make_peer()}, "x");
    a.port->flush();
  }
  b.bell->wait();
  EXPECT_EQ(b.bell->count(), 1);
}

TEST_P(BackplaneConformanceTest, WakeIsCalledAgainAfterThePoll) {
  for (Hub* hub : {&a, &b}) hub->subscribe("g");
  for (int round = 1; round <= 3; ++round) {
    a.publish("g", "x");
    a.port->flush();
    b.bell->wait();
    EXPECT_EQ(b.bell->count(), round);
    b.port->poll();
  }
}

TEST_P(BackplaneConformanceTest, FlushOfNothingWakesNobody) {
  for (Hub* hub : {&a, &b}) hub->subscribe("g");
  a.port->flush();
  settle(a, "g", {&b});
  EXPECT_EQ(b.bell->count(), 1);
  EXPECT_EQ(a.bell->count(), 0);
}

TEST_P(BackplaneConformanceTest, HubWithoutInterestIsNotWoken) {
  for (Hub* hub : {&a, &b}) hub->subscribe("g");
  a.publish("g", "x");
  settle(a, "g", {&b});
  EXPECT_EQ(c.bell->count(), 0);
}

TEST_P(BackplaneConformanceTest, NoWakeComesAfterThePortIsGone) {
  for (Hub* hub : {&a, &b, &c}) hub->subscribe("g");
  const PeerId peer = b.make_peer();
  b.detach();
  const int wakes = b.bell->count();
  a.publish("g", "x");
  a.send({a.make_peer(), peer}, "x");
  backplane->publish("g", Frame::control_text("outside"));
  settle(a, "g", {&c});
  settle_deliveries(a, 1);
  EXPECT_EQ(b.bell->count(), wakes);
}

TEST_P(BackplaneConformanceTest, WakeFunctionIsReleasedWithThePort) {
  const std::weak_ptr<WakeBell> bell = b.bell;
  const auto uses = bell.use_count();
  b.detach();
  EXPECT_EQ(bell.use_count(), uses - 1);
}

TEST_P(BackplaneConformanceTest, PollOfNothingDeliversNothing) {
  a.subscribe("g");
  a.port->poll();
  EXPECT_THAT(a.published, IsEmpty());
}

TEST_P(BackplaneConformanceTest, ReceiverMayPublishAndSendWhileItIsCalled) {
  for (Hub* hub : {&a, &b}) hub->subscribe("g");
  b.when_published = [&](const std::string& text) {
    b.publish("g", "re: " + text);
    b.send({b.make_peer(), a.make_peer()}, "direct");
  };
  a.publish("g", "x");
  a.port->flush();
  b.run_until([&] { return !b.published.empty(); });
  a.run_until([&] { return !a.published.empty() && !a.received.empty(); });
  EXPECT_THAT(a.published, ElementsAre("g:re: x"));
  EXPECT_THAT(a.received_texts(), ElementsAre("direct"));
}

TEST_P(BackplaneConformanceTest, ReceiverMaySubscribeAndUnsubscribeWhileItIsCalled) {
  for (Hub* hub : {&a, &b}) hub->subscribe("g");
  a.subscribe("h");
  b.when_published = [&](const std::string&) {
    b.when_published = nullptr;
    b.unsubscribe("g");
    b.subscribe("h");
  };
  a.publish("g", "1");
  a.publish("g", "2");
  a.port->flush();
  b.run_until([&] { return !b.published.empty(); });
  settle(a, "h", {&b});
  EXPECT_THAT(b.published, ElementsAre("g:1"));
}

TEST_P(BackplaneConformanceTest, SenderMaySendAgainWhenItLearnsTheOutcome) {
  int left = 5;
  a.when_delivered = [&](const SendTicket& ticket) {
    if (--left > 0) a.send(ticket, "again");
  };
  HubAddress nowhere = b.port->address();
  nowhere.node ^= 1;
  a.send({a.make_peer(), PeerId(nowhere, {})}, "x");
  settle_deliveries(a, 5);
}

TEST_P(BackplaneConformanceTest, PlacesAreUsedAgain) {
  for (int i = 0; i < 500; ++i) {
    Hub passing(*backplane);
    passing.subscribe("g");
  }
  EXPECT_EQ(exchange(a, b), Delivery::queued);
}

TEST_P(BackplaneConformanceTest, HubInAPlaceThatWasUsedWorksAsAnyOther) {
  for (Hub* hub : {&a, &b, &c}) hub->subscribe("g");
  c.detach();
  Hub d(*backplane);
  d.subscribe("g");
  a.publish("g", "x");
  settle(a, "g", {&b, &d});
  EXPECT_THAT(d.published, ElementsAre("g:x"));
  EXPECT_EQ(exchange(a, d), Delivery::queued);
  EXPECT_EQ(exchange(d, a), Delivery::queued);
}

TEST_P(BackplaneConformanceTest, SubscriptionsOfAHubThatHasGoneAreNotInherited) {
  for (Hub* hub : {&a, &c}) hub->subscribe("g");
  c.detach();
  Hub d(*backplane);
  a.publish("g", "x");
  for (Hub* hub : {&a, &d}) hub->subscribe("h");
  settle(a, "h", {&d});
  EXPECT_THAT(d.published, IsEmpty());
}

TEST_P(BackplaneConformanceTest, HubBeyondTheLastPlaceIsRefusedUntilOneGoes) {
  const auto max_hubs = GetParam().max_hubs;
  if (!max_hubs) GTEST_SKIP() << "no bound";
  std::vector<std::unique_ptr<Hub>> hubs;  // beside a, b and c
  while (hubs.size() + 3 < *max_hubs) hubs.push_back(std::make_unique<Hub>(*backplane));
  EXPECT_EQ(backplane->attach(a, [] {}).error(), Errc::too_many_hubs);
  hubs[hubs.size() / 2].reset();
  EXPECT_TRUE(backplane->attach(a, [] {}));
}

TEST_P(BackplaneConformanceTest, AllPlacesWorkTogether) {
  const auto max_hubs = GetParam().max_hubs;
  if (!max_hubs) GTEST_SKIP() << "no bound";
  std::vector<std::unique_ptr<Hub>> hubs;
  while (hubs.size() + 3 < *max_hubs) hubs.push_back(std::make_unique<Hub>(*backplane));
  for (auto& hub : hubs) hub->subscribe("g");
  for (auto& hub : hubs) {
    hub->publish("g", "x");
    hub->port->flush();
  }
  for (auto& hub : hubs) {
    hub->run_until([&] { return hub->published.size() == hubs.size() - 1; });
  }
  EXPECT_EQ(exchange(*hubs.front(), *hubs.back()), Delivery::queued);
}

}  // namespace voicechan

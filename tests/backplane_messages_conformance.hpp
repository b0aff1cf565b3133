#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backplane_test_hub.hpp"

// What is published and sent arrives as backplane.hpp promises. A test waits for what must come by
// the hub's wake. That something does not come it learns from what comes after it on the same way.

namespace voicechan {

class BackplaneConformanceTest : public ::testing::TestWithParam<BackplaneFactory> {
 protected:
  using Hub = BackplaneTestHub;

  /// What `sender` published before has arrived when this returns: a last frame follows it.
  static void settle(Hub& sender, const std::string& group, const std::vector<Hub*>& receivers) {
    sender.publish(group, "end");
    sender.port->flush();
    for (Hub* receiver : receivers) {
      receiver->run_until([&] {
        return !receiver->published.empty() && receiver->published.back() == group + ":end";
      });
      receiver->published.pop_back();
      receiver->frames.pop_back();
    }
  }

  /// Waits for the outcome of so many messages.
  static void settle_deliveries(Hub& sender, std::size_t count) {
    sender.run_until([&] { return sender.deliveries.size() >= count; });
    ASSERT_EQ(sender.deliveries.size(), count);
  }

  /// The outcome of one message from `sender` to `to`, with nobody else doing anything.
  static Delivery outcome(Hub& sender, const PeerId& to) {
    sender.deliveries.clear();
    const SendTicket ticket{sender.make_peer(), to};
    sender.send(ticket, "x");
    settle_deliveries(sender, 1);
    EXPECT_EQ(sender.deliveries.at(0).first.from, ticket.from);
    EXPECT_EQ(sender.deliveries.at(0).first.to, ticket.to);
    return sender.deliveries.at(0).second;
  }

  /// Sends from one hub to a peer of another and lets both work until the outcome is known.
  static Delivery exchange(Hub& sender, Hub& receiver) {
    sender.deliveries.clear();
    const std::size_t before = receiver.received.size();
    sender.send({sender.make_peer(), receiver.make_peer()}, "x");
    sender.port->flush();
    receiver.run_until([&] { return receiver.received.size() > before; });
    settle_deliveries(sender, 1);
    return sender.deliveries.at(0).second;
  }

  std::shared_ptr<Backplane> backplane = GetParam().make();
  Hub a{*backplane};
  Hub b{*backplane};
  Hub c{*backplane};
};

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_P(BackplaneConformanceTest, EveryHubHasItsOwnAddress) {
  EXPECT_FALSE(a.port->address() == b.port->address());
  EXPECT_FALSE(a.port->address() == c.port->address());
  EXPECT_FALSE(b.port->address() == c.port->address());
}

TEST_P(BackplaneConformanceTest, PublishReachesEveryOtherSubscriberOnce) {
  for (Hub* hub : {&a, &b, &c}) hub->subscribe("g");
  a.publish("g", "x");
  settle(a, "g", {&b, &c});
  EXPECT_THAT(b.published, ElementsAre("g:x"));
  EXPECT_THAT(c.published, ElementsAre("g:x"));
}

TEST_P(BackplaneConformanceTest, PublisherHearsNoEcho) {
  for (Hub* hub : {&a, &b}) hub->subscribe("g");
  a.publish("g", "x");
  a.port->flush();
  settle(b, "g", {&a});
  EXPECT_THAT(a.published, IsEmpty());
}

TEST_P(BackplaneConformanceTest, HubThatIsNotSubscribedGetsNothing) {
  for (Hub* hub : {&a, &b}) hub->subscribe("g");
  for (Hub* hub : {&a, &c}) hub->subscribe("h");
  a.publish("g", "x");
  settle(a, "h", {&c});
  EXPECT_THAT(c.published, IsEmpty());
}

TEST_P(BackplaneConformanceTest, FramesOfOneHubArriveInOrder) {
  for (Hub* hub : {&a, &b}) hub->subscribe("g");
  std::vector<std::string> expected;
  for (int i = 0; i < 500; ++i) {
    a.publish("g", std::to_string(i));
    expected.push_back("g:" + std::to_string(i));
    if (i % 7 == 0) a.port->flush();
    if (i % 50 == 0) b.port->poll();
  }
  settle(a, "g", {&b});
  EXPECT_EQ(b.published, expected);
}

TEST_P(BackplaneConformanceTest, FramesOfOneHubArriveInOrderAcrossGroups) {
  for (Hub* hub : {&a, &b}) {
    hub->subscribe("g");
    hub->subscribe("h");
  }
  a.publish("g", "1");
  a.publish("h", "2");
  a.publish("g", "3");
  settle(a, "g", {&b});
  EXPECT_THAT(b.published, ElementsAre("g:1", "h:2", "g:3"));
}

TEST_P(BackplaneConformanceTest, NothingLeavesBeforeTheFlush) {
  for (Hub* hub : {&a, &b, &c}) hub->subscribe("g");
  a.publish("g", "late");
  settle(c, "g", {&b});
  EXPECT_THAT(b.published, IsEmpty());
  EXPECT_EQ(b.bell->count(), 1);
}

TEST_P(BackplaneConformanceTest, KindClassAndBytesArriveUnchanged) {
  for (Hub* hub : {&a, &b}) hub->subscribe("g");
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte += static_cast<char>(i);
  // The long one last: audio behind it may come too late for some.
  const std::vector<Frame> sent = {
      Frame::media(every_byte), Frame::media(""), Frame::control_text("Загальна 🎙"),
      Frame(FrameKind::text, FrameClass::media, "t"),
      Frame(FrameKind::binary, FrameClass::control, std::string(1 << 20, '\0'))};
  for (const Frame& frame : sent) a.subscriptions.at("g")->publish(frame);
  settle(a, "g", {&b});
  ASSERT_EQ(b.frames.size(), sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(b.frames[i].bytes(), sent[i].bytes());
    EXPECT_EQ(b.frames[i].kind(), sent[i].kind());
    EXPECT_EQ(b.frames[i].frame_class(), sent[i].frame_class());
  }
}

TEST_P(BackplaneConformanceTest, GroupNameMayBeAnyText) {
  const std::vector<std::string> names = {
      "voice_Загальна кімната", " ", "a*b?[c]", "\r\n$1", "{x}", std::string(300, 'n'),
      std::string("a\0b", 3)};
  for (const std::string& name : names) {
    for (Hub* hub : {&a, &b}) hub->subscribe(name);
  }
  for (const std::string& name : names) a.publish(name, "x");
  settle(a, names.back(), {&b});
  ASSERT_EQ(b.published.size(), names.size());
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(b.published[i], names[i] + ":x");
}

TEST_P(BackplaneConformanceTest, LoneSubscriberMayPublish) {
  a.subscribe("g");
  a.publish("g", "x");
  a.port->flush();
  b.subscribe("g");
  settle(b, "g", {&a});
  EXPECT_THAT(a.published, IsEmpty());
  EXPECT_THAT(b.published, IsEmpty());
}

TEST_P(BackplaneConformanceTest, NothingArrivesOnceTheSubscriptionIsDestroyed) {
  for (Hub* hub : {&a, &b}) {
    hub->subscribe("g");
    hub->subscribe("h");
  }
  a.publish("g", "under way");
  a.port->flush();
  b.unsubscribe("g");
  a.publish("g", "after");
  settle(a, "h", {&b});
  EXPECT_THAT(b.published, IsEmpty());
}

TEST_P(BackplaneConformanceTest, OthersStaySubscribedWhenOneLeaves) {
  for (Hub* hub : {&a, &b, &c}) hub->subscribe("g");
  b.unsubscribe("g");
  a.publish("g", "x");
  settle(a, "g", {&c});
  EXPECT_THAT(c.published, ElementsAre("g:x"));
}

TEST_P(BackplaneConformanceTest, GroupThatEmptiedCanBeUsedAgain) {
  for (int round = 0; round < 3; ++round) {
    for (Hub* hub : {&a, &b}) hub->subscribe("g");
    a.publish("g", "x");
    settle(a, "g", {&b});
    for (Hub* hub : {&a, &b}) hub->unsubscribe("g");
  }
  EXPECT_THAT(b.published, ElementsAre("g:x", "g:x", "g:x"));
}

TEST_P(BackplaneConformanceTest, SubscriptionOutlivesThoseOfAllOtherHubs) {
  for (Hub* hub : {&a, &b}) hub->subscribe("g");
  b.unsubscribe("g");
  c.subscribe("g");
  a.publish("g", "x");
  settle(a, "g", {&c});
  EXPECT_THAT(c.published, ElementsAre("g:x"));
}

TEST_P(BackplaneConformanceTest, MembersOfAGroupAreCountedOverAllHubs) {
  if (GetParam().has_many_nodes) GTEST_SKIP() << "over those of one process";
  for (Hub* hub : {&a, &b}) hub->subscribe("g");
  Subscription& of_a = *a.subscriptions.at("g");
  Subscription& of_b = *b.subscriptions.at("g");
  EXPECT_TRUE(of_a.try_add_member(2));
  EXPECT_TRUE(of_b.try_add_member(2));
  EXPECT_FALSE(of_a.try_add_member(2));
  EXPECT_FALSE(of_b.try_add_member(2));
  of_a.remove_member();
  EXPECT_TRUE(of_b.try_add_member(2));
}

TEST_P(BackplaneConformanceTest, MembersOfAnEndedSubscriptionAreNotCounted) {
  for (Hub* hub : {&a, &b}) hub->subscribe("g");
  EXPECT_TRUE(a.subscriptions.at("g")->try_add_member(1));
  a.unsubscribe("g");
  EXPECT_TRUE(b.subscriptions.at("g")->try_add_member(1));
}

TEST_P(BackplaneConformanceTest, PublishFromOutsideReachesEverySubscriberWithoutAFlush) {
  for (Hub* hub : {&a, &b}) hub->subscribe("g");
  c.subscribe("h");
  backplane->publish("g", Frame::control_text("x"));
  backplane->publish("h", Frame::control_text("y"));
  for (Hub* hub : {&a, &b, &c}) hub->run_until([&] { return !hub->published.empty(); });
  EXPECT_THAT(a.published, ElementsAre("g:x"));
  EXPECT_THAT(b.published, ElementsAre("g:x"));
  EXPECT_THAT(c.published, ElementsAre("h:y"));
}

TEST_P(BackplaneConformanceTest, PublishFromOutsideToNobodyIsFine) {
  backplane->publish("nobody", Frame::control_text("x"));
  EXPECT_EQ(a.bell->count(), 0);
}

TEST_P(BackplaneConformanceTest, MessageReachesTheHubOfItsPeerOnce) {
  const SendTicket ticket{a.make_peer(), b.make_peer()};
  a.send(ticket, "hello");
  a.port->flush();
  b.run_until([&] { return !b.received.empty(); });
  settle_deliveries(a, 1);
  EXPECT_THAT(b.received_texts(), ElementsAre("hello"));
  EXPECT_EQ(b.received[0].first.from, ticket.from);
  EXPECT_EQ(b.received[0].first.to, ticket.to);
  EXPECT_THAT(c.received_texts(), IsEmpty());
}

TEST_P(BackplaneConformanceTest, OutcomeIsWhatTheReceiverSays) {
  for (const Delivery answer :
       {Delivery::queued, Delivery::unknown_peer, Delivery::peer_busy, Delivery::queued}) {
    b.answer = answer;
    EXPECT_EQ(exchange(a, b), answer);
  }
}

TEST_P(BackplaneConformanceTest, AReportReachesTheSenderAfterItsHubWasAnswered) {
  SendTicket ticket{a.make_peer(), b.make_peer()};
  ticket.receipt = 7;
  a.send(ticket, "hello");
  a.port->flush();
  b.run_until([&] { return !b.received.empty(); });
  settle_deliveries(a, 1);
  for (const Delivery report : {Delivery::delivered, Delivery::gone}) {
    a.deliveries.clear();
    b.port->report(b.received[0].first, report);
    settle_deliveries(a, 1);
    EXPECT_EQ(a.deliveries[0].second, report);
    EXPECT_EQ(a.deliveries[0].first.from, ticket.from);
    EXPECT_EQ(a.deliveries[0].first.receipt, 7u);
  }
  EXPECT_THAT(c.deliveries, IsEmpty());
}

TEST_P(BackplaneConformanceTest, AReportToTheOwnHubComesWithALaterPoll) {
  const SendTicket ticket{a.make_peer(), a.make_peer(), 3};
  a.port->report(ticket, Delivery::delivered);
  EXPECT_THAT(a.deliveries, IsEmpty());
  settle_deliveries(a, 1);
  EXPECT_EQ(a.deliveries[0].first.receipt, 3u);
}

TEST_P(BackplaneConformanceTest, OutcomeGoesToTheSenderOnly) {
  EXPECT_EQ(exchange(a, b), Delivery::queued);
  EXPECT_EQ(exchange(c, b), Delivery::queued);
  EXPECT_EQ(a.deliveries.size(), 1u);
  EXPECT_EQ(c.deliveries.size(), 1u);
  EXPECT_TRUE(b.deliveries.empty());
}

TEST_P(BackplaneConformanceTest, EveryMessageHasExactlyOneOutcome) {
  std::vector<SendTicket> tickets;
  for (int i = 0; i < 200; ++i) {
    Hub& target = i % 2 == 0 ? b : c;
    tickets.push_back({a.make_peer(), target.make_peer()});
    a.send(tickets.back(), std::to_string(i));
    if (i % 13 == 0) a.port->flush();
  }
  a.port->flush();
  for (Hub* hub : {&b, &c}) hub->run_until([&] { return hub->received.size() == 100; });
  settle_deliveries(a, 200);
  for (const SendTicket& ticket : tickets) {
    int count = 0;
    for (const auto& delivery : a.deliveries) count += delivery.first.to == ticket.to ? 1 : 0;
    ASSERT_EQ(count, 1);
  }
}

TEST_P(BackplaneConformanceTest, MessagesToOnePeerArriveInOrder) {
  const SendTicket ticket{a.make_peer(), b.make_peer()};
  for (int i = 0; i < 200; ++i) {
    a.send(ticket, std::to_string(i));
    if (i % 7 == 0) a.port->flush();
    if (i % 50 == 0) b.port->poll();
  }
  a.port->flush();
  b.run_until([&] { return b.received.size() == 200; });
  for (std::size_t i = 0; i < 200; ++i) ASSERT_EQ(b.received[i].second, std::to_string(i));
}

TEST_P(BackplaneConformanceTest, PeerOfANodeThatDoesNotExistIsUnknown) {
  HubAddress address = b.port->address();
  address.node ^= 1;
  EXPECT_EQ(outcome(a, PeerId(address, {})), Delivery::unknown_peer);
}

TEST_P(BackplaneConformanceTest, PeerOfAHubThatDoesNotExistIsUnknown) {
  for (const int number : {60, 63, 64, 65, 255, 256, 65535}) {
    HubAddress address = b.port->address();
    address.hub = static_cast<std::uint16_t>(number);
    EXPECT_EQ(outcome(a, PeerId(address, {})), Delivery::unknown_peer) << number;
  }
}

TEST_P(BackplaneConformanceTest, PeerOfAHubThatHasGoneIsUnknown) {
  const PeerId peer = b.make_peer();
  b.detach();
  EXPECT_EQ(outcome(a, peer), Delivery::unknown_peer);
}

TEST_P(BackplaneConformanceTest, PeerOfAHubThatGoesBeforeTheFlushIsUnknown) {
  a.send({a.make_peer(), b.make_peer()}, "x");
  b.detach();
  settle_deliveries(a, 1);
  EXPECT_EQ(a.deliveries[0].second, Delivery::unknown_peer);
}

TEST_P(BackplaneConformanceTest, PeerOfAHubThatGoesBeforeItPollsIsUnknown) {
  a.send({a.make_peer(), b.make_peer()}, "1");
  a.port->flush();
  a.send({a.make_peer(), b.make_peer()}, "2");
  a.port->flush();
  b.detach();
  settle_deliveries(a, 2);
  EXPECT_EQ(a.deliveries[0].second, Delivery::unknown_peer);
  EXPECT_EQ(a.deliveries[1].second, Delivery::unknown_peer);
}

TEST_P(BackplaneConformanceTest, OutcomeLeavesWithAHubThatGoesRightAfterIt) {
  a.send({a.make_peer(), b.make_peer()}, "x");
  a.port->flush();
  while (b.received.empty()) {
    b.bell->wait();
    b.port->poll();
  }
  b.detach();
  settle_deliveries(a, 1);
  EXPECT_EQ(a.deliveries[0].second, Delivery::queued);
}

TEST_P(BackplaneConformanceTest, FramesLeaveWithAHubThatGoes) {
  for (Hub* hub : {&a, &b}) hub->subscribe("g");
  a.publish("g", "last words");
  a.detach();
  b.run_until([&] { return !b.published.empty(); });
  EXPECT_THAT(b.published, ElementsAre("g:last words"));
}

TEST_P(BackplaneConformanceTest, SenderMayGoBeforeTheOutcome) {
  a.send({a.make_peer(), b.make_peer()}, "x");
  a.detach();
  b.run_until([&] { return !b.received.empty(); });
  EXPECT_EQ(exchange(c, b), Delivery::queued);
}

TEST_P(BackplaneConformanceTest, TwoHubsThatSendToEachOtherMayBothGo) {
  for (int i = 0; i < 10; ++i) {
    a.send({a.make_peer(), b.make_peer()}, "x");
    b.send({b.make_peer(), a.make_peer()}, "y");
    if (i == 5) a.port->flush();
  }
  a.detach();
  b.detach();
  EXPECT_TRUE(c.deliveries.empty());
}

}  // namespace voicechan

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "backplane_test_hub.hpp"
#include "redis/away_messages.hpp"
#include "redis/owed_reports.hpp"
#include "redis_fake_bus.hpp"

// Reports that the bus refused, at the node that owes them and at the one that waits for them.

namespace voicechan::redis {
namespace {

constexpr std::uint64_t kFar = 0x2222;

SendTicket ticket(std::uint64_t receipt, std::uint8_t from = 1) {
  return {PeerId({kFar, 1}, {from}), PeerId({0x1111, 2}, {2}), receipt};
}

class RedisOwedReportsTest : public ::testing::Test {
 protected:
  void add(std::uint64_t receipt) { owed.add(kFar, {ticket(receipt), Delivery::delivered}, now); }
  /// What is due; each is told to be passed on, or not.
  std::vector<std::uint64_t> say(bool is_passed_on) {
    std::vector<std::uint64_t> receipts;  // 0: some are lost
    for (const auto& due : owed.take_due(now)) {
      const auto* report = std::get_if<DeliveryMessage>(&due.body);
      receipts.push_back(report != nullptr ? report->ticket.receipt : 0);
      owed.on_published(due.node, due.body, is_passed_on, now);
    }
    return receipts;
  }
  std::size_t node_count() const {
    std::set<std::uint64_t> nodes;
    owed.add_nodes(nodes);
    return nodes.size();
  }

  OwedReports owed;
  MonotonicTime now{std::chrono::hours(1)};
};

using Receipts = std::vector<std::uint64_t>;

TEST_F(RedisOwedReportsTest, EachIsSaidAgainUntilItIsPassedOn) {
  for (std::uint64_t i = 1; i <= 3; ++i) add(i);
  EXPECT_EQ(say(false), Receipts{}) << "not at once";
  now += OwedReports::kRetryTime;
  EXPECT_EQ(say(false), Receipts{1}) << "one is enough to try";
  EXPECT_EQ(say(true), Receipts{});
  now += OwedReports::kRetryTime;
  EXPECT_EQ(say(true), Receipts{2});
  EXPECT_EQ(say(true), (Receipts{3, 1})) << "and then all";
  EXPECT_EQ(owed.next_due(), MonotonicTime::max());
  EXPECT_EQ(node_count(), 0u);
}

TEST_F(RedisOwedReportsTest, TheyAreSaidAtOnceWhenTheBusIsBack) {
  add(1);
  owed.retry_now();
  EXPECT_LE(owed.next_due(), now);
  EXPECT_EQ(say(true), Receipts{1});
}

TEST_F(RedisOwedReportsTest, ThoseOfANodeThatIsGoneAreForgotten) {
  add(1);
  owed.drop_node(kFar);
  now += OwedReports::kRetryTime;
  EXPECT_EQ(say(true), Receipts{});
}

TEST_F(RedisOwedReportsTest, SoManyAreSaidAtOnce) {
  for (std::uint64_t i = 1; i <= 1000; ++i) add(i);
  owed.retry_now();
  EXPECT_EQ(say(true).size(), 1u);
  EXPECT_EQ(say(true).size(), OwedReports::kMaxAtOnce);
  EXPECT_EQ(say(true).size(), OwedReports::kMaxAtOnce);
}

TEST_F(RedisOwedReportsTest, OfTooManyTheNodeIsToldThatSomeAreLost) {
  for (std::uint64_t i = 0; i <= OwedReports::kMaxReports; ++i) add(i + 1);
  owed.retry_now();
  EXPECT_EQ(say(false), Receipts{0});
  owed.retry_now();
  EXPECT_EQ(say(true), Receipts{0});
  EXPECT_EQ(say(true), Receipts{OwedReports::kMaxReports + 1});
}

TEST_F(RedisOwedReportsTest, WhatIsToBeSaidToOneWhoIsOwedSomethingComesBehindIt) {
  const DeliveryMessage report{ticket(3), Delivery::delivered};
  EXPECT_FALSE(owed.append(kFar, report, now)) << "nothing is owed";
  add(1);
  add(2);
  EXPECT_TRUE(owed.append(kFar, report, now));
  owed.retry_now();
  EXPECT_EQ(say(true), Receipts{1});
  EXPECT_EQ(say(true), (Receipts{2, 3}));
  EXPECT_FALSE(owed.append(kFar, report, now));
}

TEST_F(RedisOwedReportsTest, APeerThatIsWaitedForIsForSoMuchLess) {
  DeliveryMessage report{ticket(1), Delivery::waiting};
  report.ticket.waits_for = std::chrono::seconds(30);
  owed.add(kFar, report, now);
  const auto time_left = [&] {
    now += std::chrono::seconds(20);
    const auto due = owed.take_due(now);
    if (due.size() != 1) return std::chrono::milliseconds(-1);
    owed.on_published(kFar, due[0].body, false, now);
    return std::get<DeliveryMessage>(due[0].body).ticket.waits_for;
  };
  EXPECT_EQ(time_left(), std::chrono::seconds(10));
  EXPECT_EQ(time_left(), std::chrono::seconds(0));
}

/// A node whose peers have been sent messages of another one's, and have not read them.
class RedisOwedReportsOnABusTest : public ::testing::Test {
 protected:
  void send(std::uint64_t count) {
    SendTicket out{sender.make_peer(), receiver.make_peer()};
    for (out.receipt = 1; out.receipt <= count; ++out.receipt) sender.send(out, "x");
    sender.port->flush();
    receiver.run_until([&] { return receiver.received.size() == count; });
    sender.run_until([&] { return sender.deliveries.size() == count; });
    sender.deliveries.clear();
  }
  void report(std::uint64_t receipt) {
    receiver.port->report(receiver.received.at(receipt - 1).first, Delivery::delivered);
  }
  /// What is reported until there have been so many.
  std::vector<std::pair<std::uint64_t, Delivery>> reports(std::size_t count) {
    sender.run_until([&] { return sender.deliveries.size() >= count; });
    std::vector<std::pair<std::uint64_t, Delivery>> result;
    for (const auto& each : sender.deliveries) {
      result.emplace_back(each.first.receipt, each.second);
    }
    return result;
  }
  std::size_t reported_by_now() {
    broker.settle();
    sender.port->poll();
    return sender.deliveries.size();
  }

  FakeBroker broker;
  FakeNode near{broker, 0x1111};
  FakeNode far{broker, kFar};
  BackplaneTestHub sender{near.backplane};
  BackplaneTestHub receiver{far.backplane};
};

TEST_F(RedisOwedReportsOnABusTest, TheyComeWhenItIsBack) {
  constexpr std::uint64_t kCount = 600;  // more than are said at once
  send(kCount);
  far.set_bus_reachable(false);
  for (std::uint64_t i = 1; i <= kCount; ++i) report(i);
  EXPECT_EQ(reported_by_now(), 0u) << "the bus is away";
  far.set_bus_reachable(true);
  std::set<std::uint64_t> receipts;
  for (const auto& [receipt, delivery] : reports(kCount)) {
    EXPECT_EQ(delivery, Delivery::delivered);
    receipts.insert(receipt);
  }
  EXPECT_EQ(receipts.size(), kCount);
}

TEST_F(RedisOwedReportsOnABusTest, NewerOnesComeBehindThem) {
  send(4);
  far.set_bus_reachable(false);
  for (std::uint64_t i = 1; i <= 3; ++i) report(i);
  EXPECT_EQ(reported_by_now(), 0u);
  broker.call([&] {
    far.bus().set_reachable(true);
    report(4);
  });
  std::vector<std::uint64_t> order;
  for (const auto& each : reports(4)) order.push_back(each.first);
  EXPECT_EQ(order, (std::vector<std::uint64_t>{1, 2, 3, 4}));
}

TEST_F(RedisOwedReportsOnABusTest, OfTooManyThoseThatAreLostAreGone) {
  constexpr std::uint64_t kCount = OwedReports::kMaxReports + 1;
  send(kCount);
  far.set_bus_reachable(false);
  for (std::uint64_t i = 1; i <= kCount; ++i) report(i);
  EXPECT_EQ(reported_by_now(), 0u);
  far.set_bus_reachable(true);
  std::set<std::uint64_t> gone;
  for (const auto& [receipt, delivery] : reports(kCount + 1)) {
    if (delivery == Delivery::gone) gone.insert(receipt);
  }
  EXPECT_EQ(gone.size(), kCount);
  EXPECT_EQ(sender.deliveries.back().second, Delivery::delivered) << "that one was kept";
}

TEST_F(RedisOwedReportsOnABusTest, ANodeThatWasTakenForDeadHearsOfNone) {
  send(3);
  broker.call([&] { far.backplane.gateway().drop_node(0x1111); });
  EXPECT_EQ(reported_by_now(), 0u);
  broker.call([&] { near.backplane.gateway().take_epoch(1, true); });
  for (const auto& each : reports(3)) EXPECT_EQ(each.second, Delivery::gone);
  EXPECT_EQ(reported_by_now(), 3u) << "each once";
}

TEST(RedisAwayMessagesTest, WhatWillNotBeReportedIsGone) {
  AwayMessages away;
  const MonotonicTime now{std::chrono::hours(1)};
  // Two peers may have given the same number.
  std::vector<SendTicket> tickets;
  for (const std::uint8_t sender : {std::uint8_t{1}, std::uint8_t{2}}) {
    SendTicket out{PeerId({0x1111, 1}, {sender}), PeerId({kFar, 1}, {3}), 7};
    tickets.push_back(out);
    const auto number = away.add(out, now);
    EXPECT_TRUE(away.on_delivery(kFar, number, {out, Delivery::queued}));
  }
  const auto unanswered = away.add(tickets[0], now);
  const auto outcomes = away.drop_reported(kFar);
  ASSERT_EQ(outcomes.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(outcomes[i].ticket.from, tickets[i].from);
    EXPECT_EQ(outcomes[i].delivery, Delivery::gone);
  }
  EXPECT_TRUE(away.on_delivery(kFar, unanswered, {tickets[0], Delivery::delivered}))
      << "it may still be answered";
  EXPECT_TRUE(away.drop_reported(kFar).empty());
}

TEST(RedisAwayMessagesTest, NothingIsKeptOfWhatHasBeenReported) {
  AwayMessages away;
  const MonotonicTime now{std::chrono::hours(1)};
  SendTicket out{PeerId({0x1111, 1}, {1}), PeerId({kFar, 1}, {3}), 7};
  EXPECT_TRUE(away.on_delivery(kFar, away.add(out, now), {out, Delivery::queued}));
  std::set<std::uint64_t> nodes;
  away.add_nodes(nodes);
  EXPECT_EQ(nodes, std::set<std::uint64_t>{kFar});
  EXPECT_TRUE(away.on_delivery(kFar, 0, {out, Delivery::gone}));
  nodes.clear();
  away.add_nodes(nodes);
  EXPECT_EQ(nodes, std::set<std::uint64_t>{});
}

TEST(RedisAwayMessagesTest, WhatIsWaitedForIsTheLastOfItsNumber) {
  AwayMessages away;
  const MonotonicTime now{std::chrono::hours(1)};
  const PeerId key({0x1111, 1}, {1});
  for (const std::uint8_t connection : {std::uint8_t{3}, std::uint8_t{4}}) {
    const SendTicket out{key, PeerId({kFar, 1}, {connection}), 1};
    EXPECT_TRUE(away.on_delivery(kFar, away.add(out, now), {out, Delivery::queued}));
  }
  const auto outcomes = away.drop_reported();
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].ticket.to, PeerId({kFar, 1}, {4}));
  EXPECT_TRUE(away.drop_reported().empty());
}

}  // namespace
}  // namespace voicechan::redis

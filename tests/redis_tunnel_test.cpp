#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "backplane_test_hub.hpp"
#include "redis/envelope.hpp"
#include "redis_two_nodes.hpp"
#include "resuming_client.hpp"

// Sessions of one node whose clients have resumed them at another one, when that node was taken for
// dead, or has forgotten what it owed. The hubs' time is simulated.

namespace voicechan::redis {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

constexpr std::string_view kJoinWithReceipts = R"({"type":"join","receipts":true,"resume":true})";

class RedisTunnelTest : public ::testing::Test {
 protected:
  RedisTunnelTest() {
    ann.join(0, kJoinWithReceipts);
    bob.join(0, kJoinWithReceipts);
    bob.lose();
    bob.resume(1);
    EXPECT_EQ(bob.take_news().back(), resumed(bob, bob.seq, 0));
    ann.take_news();
  }
  /// It has been taken, and not been written to the socket.
  void say_to_bob(int number) {
    ann.say(R"({"to":")" + bob.id + R"(","msg_id":)" + std::to_string(number) + "}");
  }
  std::string to_bob(int number) {
    return from(ann, bob, R"(,"msg_id":)" + std::to_string(number));
  }
  std::string receipt_of(int number) {
    return receipt(std::to_string(number), "delivered", bob.id);
  }

  TwoNodes system;
  ResumingClient ann{system};
  ResumingClient bob{system};
};

TEST_F(RedisTunnelTest, ItGoesOnIfItsNodesTookEachOtherForDead) {
  say_to_bob(1);
  for (std::size_t i = 0; i < 2; ++i) {
    system.broker.call([&] { system.node(i).backplane.gateway().drop_node(2 - i); });
  }
  say_to_bob(2);
  EXPECT_THAT(bob.take_news(), ElementsAre(to_bob(1), to_bob(2)));
  EXPECT_THAT(ann.take_news(), ElementsAre(receipt_of(1), receipt_of(2)));
  system.pass(60s);
  bob.say(R"({"to":")" + ann.id + R"("})");
  EXPECT_THAT(ann.take_news(), ElementsAre(from(bob, ann, "")));
  EXPECT_THAT(bob.take_news(), IsEmpty());
}

TEST_F(RedisTunnelTest, ItGoesOnIfItsReportsAreLost) {
  say_to_bob(1);
  system.node(1).set_bus_reachable(false);
  bob.connection->write();
  EXPECT_THAT(ann.take_news(), IsEmpty());
  system.broker.call([&] {
    system.node(1).backplane.gateway().drop_node(1);  // it owes nothing any more
    FakeBus& bus = system.node(1).bus();
    bus.set_reachable(true);
    bus.publish(node_topic(1), encode({make_origin(2, 0)}, LostReportsMessage{}), false, {});
    system.node(0).backplane.gateway().take_epoch(1, true);
  });
  EXPECT_THAT(ann.take_news(), IsEmpty());
  system.pass(5s);
  EXPECT_THAT(ann.take_news(), ElementsAre(receipt_of(1)));
  say_to_bob(2);
  EXPECT_THAT(bob.take_news(), ElementsAre(to_bob(1), to_bob(2)));
}

TEST(RedisTunnelEndTest, NothingIsWaitedForOfATunnelThatHasEnded) {
  TwoNodes system;
  BackplaneTestHub session(system.node(0).backplane);
  ResumingClient bob(system);
  const PeerId key = session.make_peer();
  bob.key = key.str();
  bob.resume(1);
  session.port->poll();
  const PeerId connection = session.received.at(0).first.from;
  for (std::uint64_t i = 1; i <= 3; ++i) session.send({key, connection, i}, R"({"n":1})");
  session.port->flush();
  system.settle();
  bob.lose();
  const auto outcomes = [&] {
    session.port->poll();
    std::vector<Delivery> result;
    for (const auto& each : std::exchange(session.deliveries, {})) result.push_back(each.second);
    return result;
  };
  EXPECT_THAT(outcomes(), ElementsAre(Delivery::queued, Delivery::queued, Delivery::queued,
                                      Delivery::gone, Delivery::gone, Delivery::gone));
  system.broker.call([&] { system.node(0).backplane.gateway().take_epoch(1, true); });
  EXPECT_THAT(outcomes(), IsEmpty());
}

}  // namespace
}  // namespace voicechan::redis

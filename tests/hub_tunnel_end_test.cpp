#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backplane_test_hub.hpp"
#include "lossy_hubs.hpp"
#include "resume_tunnel.hpp"
#include "resuming_client.hpp"

// What one end of a tunnel makes of what the other one says, which is the test itself.

namespace voicechan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

/// One hub, and the end of a tunnel that the test is.
class HubTunnelEndTest : public ::testing::Test {
 protected:
  /// A session of the test's that a client has resumed on the hub.
  void let_resume() {
    bob.key = key.str();
    bob.resume(0);
    far.port->poll();
    const SendTicket ticket = far.received.at(0).first;
    ASSERT_EQ(ticket.to, key);
    connection = ticket.from;
    tell(1);
    bob.take_news();
    poll();
  }
  void tell(std::uint64_t receipt) {
    far.send({key, *connection, receipt}, R"({"n":)" + std::to_string(receipt) + "}");
    far.port->flush();
    system.settle();
  }

  /// A connection of the test's that has resumed a session of the hub.
  void resume_here() {
    bob.join(0);
    const auto resume_key = PeerId::parse(bob.key);
    ASSERT_TRUE(resume_key);
    key = *resume_key;
    bob.lose();
    connection = far.make_peer();
    TunnelSignal resume{TunnelSignal::Kind::resume};
    resume.user = UserId{1};
    signal(resume);
    poll();
  }
  void signal(const TunnelSignal& signal) {
    far.port->send(signal.to_frame(), {*connection, key});
    far.port->flush();
    system.settle();
  }
  void signal_to_connection(TunnelSignal::Kind kind) {
    far.port->send(TunnelSignal{kind}.to_frame(), {key, *connection});
    far.port->flush();
    system.settle();
  }

  void poll() {
    far.port->poll();
    far.port->flush();
    system.settle();
    far.port->poll();
  }
  std::vector<TunnelSignal::Kind> take_signals() {
    poll();
    std::vector<TunnelSignal::Kind> kinds;
    for (const auto& [ticket, bytes] : std::exchange(far.received, {})) {
      const auto got = TunnelSignal::from_frame(
          Frame(FrameKind::binary, FrameClass::control, std::string(bytes)));
      if (bytes.front() != '{' && got) kinds.push_back(got->kind);
    }
    return kinds;
  }
  /// What became of what the client was told, as far as it is settled.
  std::vector<std::pair<std::uint64_t, Delivery>> take_outcomes() {
    poll();
    std::vector<std::pair<std::uint64_t, Delivery>> outcomes;
    for (const auto& [ticket, delivery] : std::exchange(far.deliveries, {})) {
      if (delivery != Delivery::queued) outcomes.emplace_back(ticket.receipt, delivery);
    }
    return outcomes;
  }

  LossyHubs system;
  BackplaneTestHub far{system.backplane};
  PeerId key = far.make_peer();
  std::optional<PeerId> connection;
  ResumingClient bob{system};
};

TEST_F(HubTunnelEndTest, TextsOfAVersionThatDoesNotNumberThemComeToo) {
  let_resume();
  for (int i = 0; i < 3; ++i) tell(1);
  EXPECT_THAT(bob.take_news(), ElementsAre(R"({"n":1})", R"({"n":1})", R"({"n":1})"));
}

TEST_F(HubTunnelEndTest, HoweverATunnelEndsWhatWasNotWrittenIsReported) {
  const std::vector<std::function<void()>> ends{
      [this] { bob.connection->lose(); },
      [this] { bob.connection->session = {}; },
      [this] { signal_to_connection(TunnelSignal::Kind::failed); },
      [this] { signal_to_connection(TunnelSignal::Kind::replaced); },
      [this] { signal_to_connection(TunnelSignal::Kind::cut); },
      [this] { tell(9); },  // behind a hole
  };
  for (std::size_t i = 0; i < ends.size(); ++i) {
    SCOPED_TRACE(i);
    far.received.clear();
    let_resume();
    ASSERT_THAT(take_outcomes(), ElementsAre(std::pair(std::uint64_t{1}, Delivery::delivered)));
    tell(2);
    tell(3);
    ASSERT_THAT(take_outcomes(), IsEmpty());
    ends[i]();
    system.settle();
    EXPECT_THAT(take_outcomes(),
                ::testing::IsSupersetOf({std::pair(std::uint64_t{2}, Delivery::gone),
                                         std::pair(std::uint64_t{3}, Delivery::gone)}));
  }
}

TEST_F(HubTunnelEndTest, ALateAnswerToAProbeIsOne) {
  let_resume();
  system.backplane.lose_next(1000);
  for (int i = 0; i < 60; ++i) {
    system.pass(1s);
    far.port->report({*connection, key, kProbeReceipt}, Delivery::delivered);
  }
  EXPECT_THAT(bob.take_news(), IsEmpty());
  system.pass(13s);
  EXPECT_THAT(bob.take_news(), ElementsAre(failed("unknown")));
}

TEST_F(HubTunnelEndTest, ASessionWhoseProbeIsLostAsksAgain) {
  resume_here();
  system.pass(29s);
  EXPECT_THAT(take_signals(), IsEmpty());
  const auto sent = system.backplane.sent();
  system.backplane.lose_next(1);
  system.pass(1s);
  ASSERT_EQ(system.backplane.sent() - sent, 1u);
  EXPECT_THAT(take_signals(), IsEmpty());
  system.pass(1s);
  EXPECT_THAT(take_signals(), ElementsAre(TunnelSignal::Kind::probe));
  system.pass(5s);
  EXPECT_THAT(take_signals(), IsEmpty()) << "it is well";
}

TEST_F(HubTunnelEndTest, ATunnelOutlivesItsReports) {
  resume_here();
  ASSERT_EQ(far.received.size(), 1u);  // resumed
  const SendTicket ticket = far.received[0].first;
  far.port->report(ticket, Delivery::gone);
  EXPECT_THAT(take_signals(), IsEmpty());
  signal(TunnelSignal{TunnelSignal::Kind::probe, ticket.receipt});
  EXPECT_THAT(take_signals(), IsEmpty());
  EXPECT_EQ(far.deliveries.back().second, Delivery::delivered);
}

}  // namespace
}  // namespace voicechan

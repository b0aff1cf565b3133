#include <memory>

#include "backplane_conformance.hpp"

namespace voicechan {
namespace {

BackplaneFactory in_process() {
  return {"InProcess", [] { return std::make_shared<InProcessBackplane>(0x1234'5678'9ABC); },
          InProcessBackplane::kMaxHubs};
}

INSTANTIATE_TEST_SUITE_P(Backplanes, BackplaneConformanceTest, ::testing::Values(in_process()),
                         ::testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(Backplanes, BackplaneThreadsTest, ::testing::Values(in_process()),
                         ::testing::PrintToStringParamName());

TEST(InProcessBackplaneTest, AddressesNameTheNode) {
  InProcessBackplane backplane(0x1234'5678'9ABC);
  const BackplaneTestHub hub(backplane);
  EXPECT_EQ(hub.port->address().node, 0x1234'5678'9ABCu);
}

TEST(InProcessBackplaneTest, NodeOfSixtyFourRandomBitsWorks) {
  InProcessBackplane backplane(0xFFFF'FFFF'FFFF'FFFF);
  const BackplaneTestHub hub(backplane);
  const PeerId peer = hub.make_peer();
  EXPECT_EQ(peer.address(), hub.port->address());
}

TEST(InProcessBackplaneTest, FrameCrossesWithoutACopy) {
  InProcessBackplane backplane(1);
  BackplaneTestHub a(backplane);
  BackplaneTestHub b(backplane);
  a.subscribe("g");
  b.subscribe("g");
  const Frame frame = Frame::media("m");
  a.subscriptions.at("g")->publish(frame);
  a.port->flush();
  b.port->poll();
  EXPECT_EQ(&b.frames.at(0).bytes(), &frame.bytes());
}

TEST(InProcessBackplaneTest, TwoBackplanesShareNothing) {
  InProcessBackplane first(1);
  InProcessBackplane second(2);
  BackplaneTestHub a(first);
  BackplaneTestHub b(second);
  a.subscribe("g");
  b.subscribe("g");
  a.publish("g", "x");
  a.send({a.make_peer(), b.make_peer()}, "x");
  a.port->flush();
  a.port->poll();
  b.port->poll();
  EXPECT_TRUE(b.published.empty());
  EXPECT_TRUE(b.received.empty());
  ASSERT_EQ(a.deliveries.size(), 1u);
  EXPECT_EQ(a.deliveries[0].second, Delivery::unknown_peer);
}

}  // namespace
}  // namespace voicechan

#include <gtest/gtest.h>

#include <future>
#include <memory>

#include "backplane_conformance.hpp"
#include "joined_backplane.hpp"
#include "redis_fake_bus.hpp"

namespace voicechan::redis {
namespace {

struct TwoNodes {
  FakeBroker broker;
  FakeNode first{broker, 0x1111};
  FakeNode second{broker, 0x2222};
};

BackplaneFactory two_nodes() {
  BackplaneFactory factory;
  factory.name = "TwoNodes";
  factory.has_many_nodes = true;
  factory.make = [] {
    const auto nodes = std::make_shared<TwoNodes>();
    return std::make_shared<JoinedBackplane>(
        std::vector<Backplane*>{&nodes->first.backplane, &nodes->second.backplane}, nodes);
  };
  return factory;
}

}  // namespace
}  // namespace voicechan::redis

namespace voicechan {

INSTANTIATE_TEST_SUITE_P(Gateway, BackplaneConformanceTest, ::testing::Values(redis::two_nodes()),
                         ::testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(Gateway, BackplaneThreadsTest, ::testing::Values(redis::two_nodes()),
                         ::testing::PrintToStringParamName());

}  // namespace voicechan

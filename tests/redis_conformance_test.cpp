#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "backplane_conformance.hpp"
#include "joined_backplane.hpp"
#include "redis_fake_bus.hpp"
#include "redis_nodes_fixture.hpp"

// What backplane.hpp promises, with hubs on two nodes: on a bus of the test's own, and on a real
// redis-server.

namespace voicechan {
namespace {

BackplaneFactory on_fake_bus() {
  struct Nodes {
    redis::FakeBroker broker;
    redis::FakeNode first{broker, 0x1111};
    redis::FakeNode second{broker, 0x2222};
  };
  BackplaneFactory factory;
  factory.name = "FakeBus";
  factory.has_many_nodes = true;
  factory.make = [] {
    const auto nodes = std::make_shared<Nodes>();
    return std::make_shared<JoinedBackplane>(
        std::vector<Backplane*>{&nodes->first.backplane, &nodes->second.backplane}, nodes);
  };
  return factory;
}

BackplaneFactory on_redis() {
  struct Nodes {
    explicit Nodes(const redis::RedisServer& server)
        : first(open_node({&server})), second(open_node({&server})) {}
    const std::unique_ptr<RedisBackplane> first;
    const std::unique_ptr<RedisBackplane> second;
  };
  BackplaneFactory factory;
  factory.name = "Redis";
  factory.has_many_nodes = true;
  factory.make = [server = std::make_shared<std::unique_ptr<redis::RedisServer>>()] {
    if (*server == nullptr) *server = std::make_unique<redis::RedisServer>();
    const auto nodes = std::make_shared<Nodes>(**server);
    return std::make_shared<JoinedBackplane>(
        std::vector<Backplane*>{nodes->first.get(), nodes->second.get()}, nodes);
  };
  return factory;
}

INSTANTIATE_TEST_SUITE_P(TwoNodes, BackplaneConformanceTest,
                         ::testing::Values(on_fake_bus(), on_redis()),
                         ::testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(TwoNodes, BackplaneThreadsTest,
                         ::testing::Values(on_fake_bus(), on_redis()),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace voicechan

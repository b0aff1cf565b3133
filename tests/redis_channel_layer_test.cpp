#include "voicechan/redis_channel_layer.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "backplane_conformance.hpp"
#include "redis_server_fixture.hpp"

// What backplane.hpp promises, of a channel layer around hubs of one process. What Django hears and
// says: tests/blackbox/test_channel_layer.py.

namespace voicechan {
namespace {

std::shared_ptr<Backplane> open_layer(const std::string& url) {
  auto opened = RedisChannelLayer::open(nullptr, {url, nullptr});
  auto* const layer = std::get_if<std::unique_ptr<RedisChannelLayer>>(&opened);
  if (layer == nullptr) throw std::runtime_error(std::get<std::string>(opened));
  return std::move(*layer);
}

BackplaneFactory with_redis() {
  BackplaneFactory factory;
  factory.name = "Layer";
  factory.max_hubs = InProcessBackplane::kMaxHubs;
  factory.make = [server = std::make_shared<std::unique_ptr<redis::RedisServer>>()] {
    if (*server == nullptr) *server = std::make_unique<redis::RedisServer>();
    return open_layer("redis://127.0.0.1:" + std::to_string((*server)->port()));
  };
  return factory;
}

BackplaneFactory without_redis() {
  BackplaneFactory factory;
  factory.name = "LayerAway";
  factory.max_hubs = InProcessBackplane::kMaxHubs;
  factory.make = [] {
    return open_layer("redis://127.0.0.1:" + std::to_string(RedisProcess::find_free_port()));
  };
  return factory;
}

INSTANTIATE_TEST_SUITE_P(ChannelLayer, BackplaneConformanceTest,
                         ::testing::Values(with_redis(), without_redis()),
                         ::testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(ChannelLayer, BackplaneThreadsTest,
                         ::testing::Values(with_redis(), without_redis()),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace voicechan

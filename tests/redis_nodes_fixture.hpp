#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "redis_server_fixture.hpp"
#include "voicechan/redis_backplane.hpp"

namespace voicechan {

inline void wait_for(const std::function<bool()>& is_done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!is_done()) {
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("it takes too long");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

inline std::string url_of(const redis::RedisServer& server) {
  return "redis://127.0.0.1:" + std::to_string(server.port());
}

inline std::unique_ptr<RedisBackplane> open_node(const std::vector<const redis::RedisServer*>& bus,
                                                 const redis::RedisServer* store = nullptr) {
  RedisBackplaneOptions options;
  if (store != nullptr) options.store_url = url_of(*store);
  for (const redis::RedisServer* server : bus) options.bus_urls.push_back(url_of(*server));
  auto opened = RedisBackplane::open(options);
  if (const auto* problem = std::get_if<std::string>(&opened)) throw std::runtime_error(*problem);
  auto node = std::get<0>(std::move(opened));
  wait_for([&] { return node->status().is_bus_reachable; });
  return node;
}

}  // namespace voicechan

#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "commands.hpp"
#include "ice_servers.hpp"
#include "jwk_file.hpp"
#include "log_format.hpp"
#include "operator_key.hpp"
#include "spdlog/spdlog.h"
#include "static_site.hpp"
#include "tls.hpp"
#include "voicechan/redis_backplane.hpp"
#include "voicechan/redis_channel_layer.hpp"
#include "voicechan/redis_store.hpp"

namespace voicechan::server {
namespace {

/// True if `load` throws nothing.
bool loads(const std::function<void()>& load) {
  try {
    load();
    return true;
  } catch (const std::exception& error) {
    std::cerr << "voicechan-server: " << error.what() << '\n';
    return false;
  }
}

void throw_if(const char* where, const std::string& problem) {
  if (!problem.empty()) throw std::runtime_error(where + problem);
}

}  // namespace

int run_check_config(const CommandLine& line) {
  set_up_log(spdlog::level::warn, LogFormat::text);
  const ServerOptions& options = line.server;
  bool is_good = loads([&] {
    if (!options.tls.is_given()) return;
    const auto tls = TlsContext::load(options.tls);
    if (!tls->warning().empty()) spdlog::warn("{}", tls->warning());
  });
  is_good &= loads([&] {
    if (!options.jwt.jwks_file.empty()) JwkFile(options.jwt.jwks_file, options.jwt.algorithms);
  });
  is_good &= loads([&] {
    if (!options.ice_file.empty()) IceServers(options.ice_file, system_clock());
  });
  is_good &= loads([&] {
    if (!options.operator_key_file.empty()) OperatorKey{options.operator_key_file};
  });
  is_good &= loads([&] {
    if (!options.www_directory.empty()) StaticSite{options.www_directory};
  });
  const bool has_store = loads([&] {
    if (line.store.is_redis()) throw_if("store: ", check_redis_files(redis_options(line.store)));
  });
  is_good &= has_store;
  is_good &= loads([&] {
    if (line.redis_bus.empty()) return;
    RedisBackplaneOptions bus;
    bus.bus_urls = line.redis_bus;
    if (has_store) bus.store_url = line.store.redis_url;
    bus.store_password_file = line.store.password_file;
    bus.log = [](RedisLogLevel, std::string_view warning) { spdlog::warn("{}", warning); };
    throw_if("", RedisBackplane::check(bus));
  });
  is_good &= loads([&] {
    if (line.channel_layer.empty()) return;
    throw_if("", RedisChannelLayer::check({line.channel_layer, {}}));
  });
  if (!is_good) return 1;
  std::cout << line.effective_config;
  return 0;
}

}  // namespace voicechan::server

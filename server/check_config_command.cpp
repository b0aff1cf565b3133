#include <functional>
#include <iostream>
#include <stdexcept>

#include "commands.hpp"
#include "ice_servers.hpp"
#include "jwk_file.hpp"
#include "log_format.hpp"
#include "operator_key.hpp"
#include "spdlog/spdlog.h"
#include "static_site.hpp"
#include "tls.hpp"
#include "watched_file.hpp"

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
  is_good &= loads([&] {
    if (line.store.password_file.empty()) return;
    const auto content = WatchedFile(line.store.password_file).read();
    if (!content.error.empty()) {
      throw std::runtime_error("cannot read " + line.store.password_file + ": " + content.error);
    }
  });
  if (!is_good) return 1;
  std::cout << line.effective_config;
  return 0;
}

}  // namespace voicechan::server

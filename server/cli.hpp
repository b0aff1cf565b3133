#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "admin_client.hpp"
#include "command_line_exit.hpp"
#include "log_format.hpp"
#include "options.hpp"
#include "spdlog/common.h"
#include "store_location.hpp"

namespace voicechan::server {

/// What the command line asks for.
struct CommandLine {
  enum class Command {
    serve,
    check_config,
    user_add,
    user_list,
    user_remove,
    user_token,
    token_revoke,
    token_list,
    migrate,
    rooms,
    sessions,
    kick,
  };
  Command command = Command::serve;
  StoreLocation store;
  std::vector<std::string> redis_bus;  // of serve: the servers that join it to others; none: alone
  StoreLocation migrate_from;
  StoreLocation migrate_to;
  std::uint64_t max_database_bytes = std::uint64_t{16} << 30;  // of serve
  std::string username;                                        // of user add, remove and token
  std::string token_id;                                        // of token revoke
  std::int64_t until = 0;  // of token revoke, in seconds since 1970; 0: not given
  bool is_try = false;     // serve --try
  spdlog::level::level_enum log_level = spdlog::level::info;
  LogFormat log_format = LogFormat::text;
  std::string config_file;       // of serve and check-config; empty: none
  std::string effective_config;  // of check-config: what is in force, as TOML
  AdminCommand admin;            // of rooms, sessions and kick
  std::string channel_layer;     // of serve: a location; empty: there is none
  ServerOptions server;
};

/// Reads the command line, for `serve` also the environment and the file that one of them names.
/// `environment` ends with a null pointer, as `environ` does; null: there is none. Throws
/// CommandLineExit.
CommandLine parse_command_line(int argc, const char* const* argv,
                               const char* const* environment = nullptr);

}  // namespace voicechan::server

#pragma once

#include "cli.hpp"

namespace voicechan::server {

/// Serves until SIGINT or SIGTERM. Returns the exit status; errors have been told on standard
/// error.
int run_serve(const CommandLine& line);

/// Looks at the files that the options of `serve` name, and prints the options. Returns the exit
/// status; all errors have been told on standard error.
int run_check_config(const CommandLine& line);

/// `user add`, `list`, `remove` and `token`.
int run_user_command(const CommandLine& line);

/// `token revoke` and `list`.
int run_token_command(const CommandLine& line);

/// `migrate`.
int run_migrate_command(const CommandLine& line);

/// `rooms`, `sessions` and `kick`.
int run_admin_command(const CommandLine& line);

}  // namespace voicechan::server

#include <unistd.h>

#include <exception>
#include <iostream>

#include "commands.hpp"

int main(int argc, char** argv) {
  using namespace voicechan::server;
  try {
    const CommandLine line = parse_command_line(argc, argv, environ);
    switch (line.command) {
      using Command = CommandLine::Command;
      case Command::serve:
        return run_serve(line);
      case Command::check_config:
        return run_check_config(line);
      case Command::user_add:
      case Command::user_list:
      case Command::user_remove:
      case Command::user_token:
        return run_user_command(line);
      case Command::token_revoke:
      case Command::token_list:
        return run_token_command(line);
      case Command::migrate:
        return run_migrate_command(line);
      case Command::rooms:
      case Command::sessions:
      case Command::kick:
        return run_admin_command(line);
    }
    return 2;
  } catch (const voicechan::CommandLineExit& exit) {
    (exit.status == 0 ? std::cout : std::cerr) << exit.text;
    return exit.status;
  } catch (const std::exception& error) {
    std::cerr << "voicechan-server: " << error.what() << '\n';
    return 1;
  }
}

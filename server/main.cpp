#include <exception>
#include <iostream>

#include "commands.hpp"

int main(int argc, char** argv) {
  using namespace voicechan::server;
  try {
    const CommandLine line = parse_command_line(argc, argv);
    return line.command == CommandLine::Command::serve ? run_serve(line) : run_user_command(line);
  } catch (const voicechan::CommandLineExit& exit) {
    (exit.status == 0 ? std::cout : std::cerr) << exit.text;
    return exit.status;
  } catch (const std::exception& error) {
    std::cerr << "voicechan-server: " << error.what() << '\n';
    return 1;
  }
}

#include <sys/resource.h>

#include <exception>
#include <iostream>

#include "modes.hpp"

namespace voicechan::load {
namespace {

constexpr int kViolated = 1;
constexpr int kCannotConnect = 3;
constexpr int kInterrupted = 130;

void allow_many_connections() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

Outcome run(const Options& options) {
  switch (options.mode) {
    case Options::Mode::relay:
      return run_relay(options);
    case Options::Mode::idle:
      return run_idle(options);
    case Options::Mode::listen:
      return run_listen(options);
    case Options::Mode::signaling:
      return run_signaling(options);
  }
  return {};
}

int run_command_line(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  allow_many_connections();
  const Outcome outcome = run(options);
  if (options.is_json) {
    print_json(std::cout, outcome.report);
  } else {
    print_text(std::cout, outcome.report);
  }
  std::cout.flush();
  if (outcome.is_violated) return kViolated;
  return outcome.was_interrupted ? kInterrupted : 0;
}

}  // namespace
}  // namespace voicechan::load

int main(int argc, char** argv) {
  using namespace voicechan::load;
  try {
    return run_command_line(argc, argv);
  } catch (const voicechan::CommandLineExit& exit) {
    (exit.status == 0 ? std::cout : std::cerr) << exit.text;
    return exit.status;
  } catch (const ConnectFailure& failure) {
    std::cerr << "voicechan-load: " << failure.what() << '\n';
    return kCannotConnect;
  } catch (const std::exception& error) {
    std::cerr << "voicechan-load: " << error.what() << '\n';
    return kCannotConnect;
  }
}

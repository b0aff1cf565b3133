#pragma once

#include <string>

namespace voicechan {

/// The command line is wrong (exit status 2), or it asked for help or the version (0). `text` is
/// what to print.
struct CommandLineExit {
  int status = 0;
  std::string text;
};

}  // namespace voicechan

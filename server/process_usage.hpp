#pragma once

#include <cstddef>

namespace voicechan::server {

/// What the kernel says of this process; 0 where it does not tell.
struct ProcessUsage {
  double cpu_seconds = 0;
  double start_seconds = 0;  // Unix time
  std::size_t resident_bytes = 0;
  std::size_t open_descriptors = 0;
  std::size_t max_descriptors = 0;
};

/// Reads /proc: with thousands of descriptors that takes milliseconds.
ProcessUsage read_process_usage();

}  // namespace voicechan::server

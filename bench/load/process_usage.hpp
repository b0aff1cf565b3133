#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace voicechan::load {

/// What a process has used so far.
struct ProcessUsage {
  double cpu_seconds = 0;   // exact
  double user_seconds = 0;  // of another process in hundredths of a second
  double system_seconds = 0;
  std::int64_t rss_kib = 0;
};

/// Another process, from its CPU clock and from /proc.
std::optional<ProcessUsage> find_process_usage(pid_t pid);

/// This process; without its memory.
ProcessUsage own_usage() noexcept;

}  // namespace voicechan::load

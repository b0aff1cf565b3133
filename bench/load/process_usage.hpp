#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace voicechan::load {

/// What a process has used so far.
struct ProcessUsage {
  double user_seconds = 0;
  double system_seconds = 0;
  std::int64_t rss_kib = 0;
};

/// Another process, from /proc; the kernel counts its time in hundredths of a second.
std::optional<ProcessUsage> find_process_usage(pid_t pid);

/// This process; without its memory.
ProcessUsage own_usage() noexcept;

}  // namespace voicechan::load

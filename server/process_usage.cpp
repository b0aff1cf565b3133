#include "process_usage.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

namespace voicechan::server {
namespace {

/// What of /proc/self/stat stands behind the process' name, which may hold anything: proc(5)
/// numbers these from 3.
std::istringstream read_stat() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t end = line.rfind(')');
  return std::istringstream(end == std::string::npos ? "" : line.substr(end + 1));
}

double read_start_seconds() {
  constexpr int kStartTime = 22;
  std::istringstream stat = read_stat();
  std::string skipped;
  for (int i = 3; i < kStartTime; ++i) stat >> skipped;
  double started = 0;  // since the machine was
  stat >> started;
  timespec uptime{};  // not from /proc/uptime, which a service with ProcSubset=pid does not see
  if (!stat || ::clock_gettime(CLOCK_BOOTTIME, &uptime) != 0) return 0;
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  return now.count() - static_cast<double>(uptime.tv_sec) -
         static_cast<double>(uptime.tv_nsec) / 1e9 +
         started / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::size_t read_resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total_pages = 0;
  std::size_t resident_pages = 0;
  if (!(statm >> total_pages >> resident_pages)) return 0;
  return resident_pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t count_descriptors() {
  std::error_code error;
  std::size_t count = 0;
  std::filesystem::directory_iterator each("/proc/self/fd", error);
  for (; !error && each != std::filesystem::directory_iterator(); each.increment(error)) ++count;
  return count > 0 ? count - 1 : 0;  // one was that of the listing
}

}  // namespace

ProcessUsage read_process_usage() {
  static const double start_seconds = read_start_seconds();
  ProcessUsage usage;
  usage.start_seconds = start_seconds;
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    usage.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
  }
  usage.resident_bytes = read_resident_bytes();
  usage.open_descriptors = count_descriptors();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) usage.max_descriptors = limit.rlim_cur;
  return usage;
}

}  // namespace voicechan::server

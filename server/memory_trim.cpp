#include "memory_trim.hpp"

#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <fstream>

namespace voicechan::server {
namespace {

constexpr std::chrono::seconds kInterval{5};
// Less is not worth the while that other threads wait for the allocator.
constexpr std::size_t kWorthBytes = std::size_t{4} << 20;

std::size_t resident_bytes() {
  std::size_t all_pages = 0;
  std::size_t resident_pages = 0;
  std::ifstream("/proc/self/statm") >> all_pages >> resident_pages;
  return resident_pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Half as much again as is in use is what an allocator may well keep.
bool is_worth_trimming() {
  const auto info = ::mallinfo2();
  const std::size_t used = info.uordblks + info.hblkhd;
  return resident_bytes() > used + used / 2 + kWorthBytes;
}

}  // namespace

void MemoryTrim::start() {
  timer_.expires_after(kInterval);
  timer_.async_wait([this](asio::error_code error) {
    if (error) return;
    if (is_worth_trimming()) ::malloc_trim(0);
    start();
  });
}

}  // namespace voicechan::server

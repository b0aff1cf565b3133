#pragma once

#include <asio/steady_timer.hpp>

namespace voicechan::server {

/// Gives memory that was freed back to the system, now and then: what a burst needed would stay
/// with the process otherwise. Lives on a loop that may block for some milliseconds, so not on a
/// worker's.
class MemoryTrim {
 public:
  explicit MemoryTrim(asio::io_context& io) : timer_(io) {}

  void start();

 private:
  asio::steady_timer timer_;
};

}  // namespace voicechan::server

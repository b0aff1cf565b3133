#pragma once

#include <cstdint>

#include "histogram.hpp"

namespace voicechan::load {

/// Waits on many file descriptors and for a deadline, by epoll. Takes SIGINT and
/// SIGTERM over for the whole process. One thread at a time.
class EventLoop {
 public:
  /// Something that waits for a file descriptor; stays alive as long as the loop is turned.
  class Source {
   public:
    virtual void on_ready(std::uint32_t events) = 0;

   protected:
    ~Source() = default;
  };

  EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  ~EventLoop();

  void add(int fd, std::uint32_t events, Source& source);
  void modify(int fd, std::uint32_t events, Source& source);
  void remove(int fd);

  /// Waits until something is ready, or `deadline` has come, and calls what is ready. Ends after a
  /// tenth of a second anyway.
  void turn(std::int64_t deadline);

  /// SIGINT or SIGTERM has come.
  bool was_interrupted() const noexcept { return was_interrupted_; }

  /// How long each turn took without its waiting, which is how late another event may have been.
  Histogram& busy() noexcept { return busy_; }

 private:
  void arm_timer(std::int64_t deadline);

  int epoll_;
  int timer_;
  int signals_;
  std::int64_t armed_for_ = 0;
  std::int64_t woken_at_ = 0;
  bool was_interrupted_ = false;
  Histogram busy_;
};

}  // namespace voicechan::load

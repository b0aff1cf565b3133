#include "event_loop.hpp"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "monotonic.hpp"

namespace voicechan::load {
namespace {

constexpr std::int64_t kLongestWaitNs = kNanosPerSecond / 10;

int checked(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

int open_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  checked(sigprocmask(SIG_BLOCK, &signals, nullptr), "sigprocmask");
  return checked(signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC), "signalfd");
}

}  // namespace

EventLoop::EventLoop()
    : epoll_(checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      timer_(checked(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), "timerfd")),
      signals_(open_signals()) {
  for (int* fd : {&timer_, &signals_}) {  // told from sources by where they point
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = fd;
    checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, *fd, &event), "epoll_ctl");
  }
}

EventLoop::~EventLoop() {
  for (const int fd : {signals_, timer_, epoll_}) ::close(fd);
}

void EventLoop::add(int fd, std::uint32_t events, Source& source) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &source;
  checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

void EventLoop::modify(int fd, std::uint32_t events, Source& source) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &source;
  checked(epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event), "epoll_ctl");
}

void EventLoop::remove(int fd) {
  checked(epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr), "epoll_ctl");
}

void EventLoop::arm_timer(std::int64_t deadline) {
  armed_for_ = deadline;
  itimerspec time{};
  time.it_value.tv_sec = deadline / kNanosPerSecond;
  time.it_value.tv_nsec = deadline % kNanosPerSecond;
  checked(timerfd_settime(timer_, TFD_TIMER_ABSTIME, &time, nullptr), "timerfd_settime");
}

void EventLoop::turn(std::int64_t deadline) {
  std::int64_t now = monotonic_ns();
  if (woken_at_ != 0) busy_.record(now - woken_at_);
  deadline = std::min(deadline, now + kLongestWaitNs);
  const bool is_due = deadline <= now;
  // A timer that rings too early only costs a turn.
  if (!is_due && (armed_for_ > deadline || armed_for_ <= now)) arm_timer(deadline);
  std::array<epoll_event, 1024> events;
  const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                               is_due ? 0 : static_cast<int>(kLongestWaitNs / 1'000'000));
  if (count < 0 && errno != EINTR) checked(count, "epoll_wait");
  woken_at_ = monotonic_ns();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.ptr == &timer_) {
      std::uint64_t times = 0;
      if (::read(timer_, &times, sizeof times) > 0) armed_for_ = 0;
    } else if (event.data.ptr == &signals_) {
      signalfd_siginfo signal;
      if (::read(signals_, &signal, sizeof signal) > 0) was_interrupted_ = true;
    } else {
      static_cast<Source*>(event.data.ptr)->on_ready(event.events);
    }
  }
}

}  // namespace voicechan::load

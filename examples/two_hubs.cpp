// Two threads with a hub each share one room through the in-process backplane. Everything of a hub
// happens on its thread: other threads post work to it, and the backplane wakes it when frames of
// another hub wait.

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "voicechan/hub.hpp"

namespace {

/// A thread that owns a hub and does nothing else: the smallest event loop.
class HubThread {
 public:
  explicit HubThread(voicechan::Backplane& backplane)
      : thread_([this, &backplane] { run(backplane); }) {}

  ~HubThread() {
    post([this](voicechan::Hub&) { is_running_ = false; });
    thread_.join();
  }

  /// Runs a task on the hub's thread, soon. From any thread.
  void post(std::function<void(voicechan::Hub&)> task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    has_work_.notify_one();
  }

 private:
  void run(voicechan::Backplane& backplane) {
    // An empty task is a wake-up: the loop turns once, and with it the hub ticks.
    const auto hub = voicechan::Hub::attach(backplane, {}, [this] { post([](auto&) {}); });
    if (!hub) std::abort();  // more hubs than the backplane holds
    while (is_running_) {
      for (const auto& task : wait_for_tasks()) task(**hub);
      (*hub)->tick(std::chrono::steady_clock::now());
    }
  }

  std::vector<std::function<void(voicechan::Hub&)>> wait_for_tasks() {
    std::unique_lock lock(mutex_);
    has_work_.wait(lock, [this] { return !tasks_.empty(); });
    return std::exchange(tasks_, {});
  }

  std::mutex mutex_;
  std::condition_variable has_work_;
  std::vector<std::function<void(voicechan::Hub&)>> tasks_;  // guarded by mutex_
  bool is_running_ = true;                                   // the hub's thread only
  std::thread thread_;                                       // last: it uses all of the above
};

/// A client of one hub that tells another thread what it heard first.
class Client final : public voicechan::Transport {
 public:
  void send(const voicechan::Frame& frame) noexcept override {
    if (!std::exchange(has_heard_, true)) first_heard_.set_value(frame.bytes());
  }
  std::future<std::string> first_heard() { return first_heard_.get_future(); }

 private:
  std::promise<std::string> first_heard_;
  bool has_heard_ = false;
};

}  // namespace

int main() {
  const auto room = voicechan::RoomName::parse("general");
  if (!room) return EXIT_FAILURE;

  // Declared first, destroyed last: hubs need their backplane, sessions their transport.
  voicechan::InProcessBackplane backplane(1);
  Client alice;
  Client bob;
  voicechan::Session alice_in_room;
  voicechan::Session bob_in_room;
  auto heard_by_bob = bob.first_heard();
  std::promise<void> bob_is_in;

  HubThread first(backplane);
  HubThread second(backplane);
  second.post([&](voicechan::Hub& hub) {
    bob_in_room = hub.join_voice({{2}, "bob"}, *room, bob).value();
    bob_is_in.set_value();
  });
  bob_is_in.get_future().wait();
  first.post([&](voicechan::Hub& hub) {
    alice_in_room = hub.join_voice({{1}, "alice"}, *room, alice).value();
    alice_in_room.receive(voicechan::FrameKind::binary, "<20 ms of Opus>");
  });

  if (heard_by_bob.wait_for(std::chrono::seconds(10)) != std::future_status::ready) {
    std::cerr << "bob heard nothing\n";
    return EXIT_FAILURE;
  }
  std::cout << "alice, on one thread, spoke; bob, on another, heard " << heard_by_bob.get() << '\n';
  return EXIT_SUCCESS;
}  // the hubs end on their threads and leave nobody behind: the sessions are empty then

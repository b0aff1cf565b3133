#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string_view>
#include <thread>
#include <vector>

#include "voicechan/mutex.hpp"

namespace voicechan::server {

/// A fixed number of threads for work that may block (the Store, files), so that no event loop
/// does. Jobs start in the order of `post`. Thread-safe.
class BlockingPool {
 public:
  using Job = std::function<void()>;
  /// Told what a job threw. Called on the pool's threads, several at a time; must not throw.
  using ErrorCallback = std::function<void(std::string_view what)>;

  /// `max_waiting` bounds the jobs accepted and not yet started. Throws std::system_error if the
  /// threads cannot be started.
  BlockingPool(std::size_t threads, std::size_t max_waiting, ErrorCallback on_error);
  /// As `stop`.
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  /// Has a thread run the job. False if `max_waiting` jobs wait already, or after `stop`: the job
  /// is then destroyed and never runs.
  [[nodiscard]] bool post(Job job) VOICECHAN_EXCLUDES(mutex_);

  /// Refuses further jobs, runs those accepted, and returns once the threads have ended. May be
  /// called again, but not by a job.
  void stop() VOICECHAN_EXCLUDES(mutex_);

 private:
  void run() VOICECHAN_EXCLUDES(mutex_);
  void run_job(const Job& job) const noexcept;

  const std::size_t max_waiting_;
  const ErrorCallback on_error_;
  Mutex mutex_;
  ConditionVariable has_work_;
  std::deque<Job> waiting_ VOICECHAN_GUARDED_BY(mutex_);
  bool is_stopping_ VOICECHAN_GUARDED_BY(mutex_) = false;
  /// Held while joining, so that each `stop` returns only when the threads have ended.
  Mutex join_mutex_;
  std::vector<std::thread> threads_ VOICECHAN_GUARDED_BY(join_mutex_);
};

}  // namespace voicechan::server

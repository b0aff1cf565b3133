#include "blocking_pool.hpp"

#include <exception>
#include <utility>

namespace voicechan::server {

BlockingPool::BlockingPool(std::size_t threads, std::size_t max_waiting, ErrorCallback on_error)
    : max_waiting_(max_waiting), on_error_(std::move(on_error)) {
  try {
    const MutexLock lock(join_mutex_);
    threads_.reserve(threads);
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
  } catch (...) {
    stop();
    throw;
  }
}

BlockingPool::~BlockingPool() { stop(); }

bool BlockingPool::post(Job job) {
  {
    const MutexLock lock(mutex_);
    if (is_stopping_ || waiting_.size() >= max_waiting_) return false;
    waiting_.push_back(std::move(job));
  }
  has_work_.notify_one();
  return true;
}

void BlockingPool::stop() {
  {
    const MutexLock lock(mutex_);
    is_stopping_ = true;
  }
  has_work_.notify_all();
  const MutexLock lock(join_mutex_);
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void BlockingPool::run() {
  while (true) {
    Job job;
    {
      const MutexLock lock(mutex_);
      while (waiting_.empty() && !is_stopping_) has_work_.wait(mutex_);
      if (waiting_.empty()) return;
      job = std::move(waiting_.front());
      waiting_.pop_front();
    }
    run_job(job);
  }
}

void BlockingPool::run_job(const Job& job) const noexcept {
  try {
    job();
  } catch (const std::exception& error) {
    on_error_(error.what());
  } catch (...) {
    on_error_("unknown exception");
  }
}

}  // namespace voicechan::server

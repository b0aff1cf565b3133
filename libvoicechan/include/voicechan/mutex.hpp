#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

// Clang's -Wthread-safety proves that guarded members are touched only under their lock; other
// compilers see plain standard mutexes.

#if defined(__clang__)
#define VOICECHAN_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define VOICECHAN_THREAD_ANNOTATION(x)
#endif

#define VOICECHAN_CAPABILITY(x) VOICECHAN_THREAD_ANNOTATION(capability(x))
#define VOICECHAN_SCOPED_CAPABILITY VOICECHAN_THREAD_ANNOTATION(scoped_lockable)
#define VOICECHAN_GUARDED_BY(x) VOICECHAN_THREAD_ANNOTATION(guarded_by(x))
#define VOICECHAN_REQUIRES(...) VOICECHAN_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define VOICECHAN_EXCLUDES(...) VOICECHAN_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define VOICECHAN_ACQUIRE(...) VOICECHAN_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define VOICECHAN_RELEASE(...) VOICECHAN_THREAD_ANNOTATION(release_capability(__VA_ARGS__))

namespace voicechan {

/// A std::mutex that -Wthread-safety knows. Thread-safe.
class VOICECHAN_CAPABILITY("mutex") Mutex {
 public:
  /// Waits until nobody else holds it.
  void lock() VOICECHAN_ACQUIRE() { mutex_.lock(); }
  /// To be called by who holds it only.
  void unlock() VOICECHAN_RELEASE() { mutex_.unlock(); }

 private:
  friend class ConditionVariable;
  std::mutex mutex_;
};

/// Holds a Mutex for a scope.
class VOICECHAN_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) VOICECHAN_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() VOICECHAN_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

/// Something to wait for with a Mutex held. Wait in a `while` over the condition: the analysis does
/// not follow a predicate into a lambda. Thread-safe.
class ConditionVariable {
 public:
  /// Lets go of the mutex until it is notified; may return without a reason, too.
  void wait(Mutex& mutex) VOICECHAN_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  /// False if `deadline` came first.
  bool wait_until(Mutex& mutex, std::chrono::steady_clock::time_point deadline)
      VOICECHAN_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const bool was_notified = condition_.wait_until(lock, deadline) == std::cv_status::no_timeout;
    lock.release();
    return was_notified;
  }
  /// Wakes one that waits, if there is one.
  void notify_one() noexcept { condition_.notify_one(); }
  /// Wakes all that wait.
  void notify_all() noexcept { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace voicechan

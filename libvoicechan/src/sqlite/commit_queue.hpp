#pragma once

#include <cstddef>
#include <system_error>
#include <utility>

#include "voicechan/mutex.hpp"

namespace voicechan::sqlite {

/// What the writes of a group share. Called by the group's leader, one thread at a time.
class Transaction {
 public:
  virtual ~Transaction() = default;
  /// After a failure there is nothing to roll back.
  virtual std::error_code begin() noexcept = 0;
  /// After success the changes are on the disk; after a failure `rollback` follows.
  virtual std::error_code commit() noexcept = 0;
  virtual void rollback() noexcept = 0;
};

/// Joins the writes that wait at the same time into one transaction, so that they share one sync.
/// As in LevelDB's writer queue there is no thread of its own: the first waiting thread leads, runs
/// everybody's writes and answers everybody; whoever comes meanwhile waits for the next group.
/// Thread-safe.
class CommitQueue {
 public:
  /// One thread's write; lives on its stack.
  class Write {
   public:
    virtual ~Write() = default;

    /// Called once, within the transaction, by the leader's thread. An error undoes the whole
    /// group. A mere refusal is no error, and must have changed nothing.
    virtual std::error_code run() noexcept = 0;

   private:
    friend class CommitQueue;

    Write* next_ = nullptr;
    bool is_leader_ = false;
    bool is_settled_ = false;
    std::error_code outcome_;
    ConditionVariable changed_;
  };

  /// `transaction` must outlive the queue.
  explicit CommitQueue(Transaction& transaction) noexcept : transaction_(&transaction) {}

  /// Returns when the write is committed, or the error with which its whole group was undone.
  std::error_code submit(Write& write) {
    {
      const MutexLock lock(mutex_);
      waiting_.push(write);
      if (has_leader_) {
        while (!write.is_leader_ && !write.is_settled_) write.changed_.wait(mutex_);
        if (write.is_settled_) return write.outcome_;
      }
      has_leader_ = true;
    }
    lead();
    return write.outcome_;
  }

  /// How many writes wait for a group.
  std::size_t waiting() {
    const MutexLock lock(mutex_);
    return waiting_.size;
  }

 private:
  struct List {
    Write* first = nullptr;
    Write* last = nullptr;
    std::size_t size = 0;

    void push(Write& write) noexcept {
      (last == nullptr ? first : last->next_) = &write;
      last = &write;
      ++size;
    }
    void append(const List& other) noexcept {
      if (other.first == nullptr) return;
      (last == nullptr ? first : last->next_) = other.first;
      last = other.last;
      size += other.size;
    }
  };

  void lead() {
    List group = take_waiting();
    std::error_code error = transaction_->begin();
    if (!error) {
      error = run(group);
      if (!error) error = transaction_->commit();
      if (error) transaction_->rollback();
    }
    settle(group, error);
  }

  /// Runs `group` and whatever has queued up meanwhile; this ends, as every thread waits for its
  /// answer before it can queue again.
  std::error_code run(List& group) {
    List batch = group;
    while (batch.first != nullptr) {
      for (Write* write = batch.first; write != nullptr; write = write->next_) {
        if (const auto error = write->run()) return error;
      }
      batch = take_waiting();
      group.append(batch);
    }
    return {};
  }

  List take_waiting() {
    const MutexLock lock(mutex_);
    return std::exchange(waiting_, {});
  }

  void settle(const List& group, std::error_code outcome) {
    const MutexLock lock(mutex_);
    has_leader_ = waiting_.first != nullptr;
    if (has_leader_) {
      waiting_.first->is_leader_ = true;
      waiting_.first->changed_.notify_one();
    }
    for (Write* write = group.first; write != nullptr; write = write->next_) {
      write->outcome_ = outcome;
      write->is_settled_ = true;
      write->changed_.notify_one();  // under the lock: without it `write` could be gone
    }
  }

  Transaction* const transaction_;
  Mutex mutex_;
  List waiting_ VOICECHAN_GUARDED_BY(mutex_);
  bool has_leader_ VOICECHAN_GUARDED_BY(mutex_) = false;
};

}  // namespace voicechan::sqlite

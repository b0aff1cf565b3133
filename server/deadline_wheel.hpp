#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "voicechan/clock.hpp"

namespace voicechan::server {

/// Deadlines of many connections with one timer: a hashed wheel of intrusive lists. Setting a later
/// deadline costs nothing, any other change and removal O(1). A deadline fires in the first
/// `advance` at or after it, never before; a host that calls that every `kGranularity` is at most
/// so much late. One thread at a time.
class DeadlineWheel {
 public:
  static constexpr std::chrono::milliseconds kGranularity{100};
  static constexpr std::size_t kSlots = 512;

  /// Something with a deadline; base class of what is on the wheel. Leaves it when destroyed.
  class Entry {
   public:
    Entry() = default;
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   protected:
    virtual ~Entry();

   private:
    friend class DeadlineWheel;
    /// The deadline has passed; the entry is off the wheel. May set a new one, may destroy any
    /// entry.
    virtual void on_deadline(MonotonicTime now) noexcept = 0;
    void unlink() noexcept;

    Entry* next_ = nullptr;
    Entry* previous_ = nullptr;
    MonotonicTime deadline_{};
  };

  explicit DeadlineWheel(MonotonicTime now);
  DeadlineWheel(const DeadlineWheel&) = delete;
  DeadlineWheel& operator=(const DeadlineWheel&) = delete;
  /// Entries still on the wheel are taken off it.
  ~DeadlineWheel();

  /// Sets or moves an entry's deadline.
  void set(Entry& entry, MonotonicTime deadline) noexcept;
  void cancel(Entry& entry) noexcept;

  /// Fires what is due at `now`, each entry at most once: one that is set again to a time already
  /// past fires in the next call.
  void advance(MonotonicTime now);

 private:
  /// A circular list's head.
  class Head final : public Entry {
   public:
    Head();
    bool is_empty() const noexcept;
    void push_back(Entry& entry) noexcept;
    /// Moves all of the other list to the end of this one.
    void splice(Head& other) noexcept;

   private:
    void on_deadline(MonotonicTime) noexcept override {}
  };

  static std::int64_t tick_of(MonotonicTime time) noexcept;
  void insert(Entry& entry) noexcept;

  std::array<Head, kSlots> slots_;
  /// The tick of the last `advance`. Every entry is in the slot of a tick from this one to the one
  /// `kSlots - 1` later, and not after the tick of its own deadline.
  std::int64_t tick_;
};

}  // namespace voicechan::server

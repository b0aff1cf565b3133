#pragma once

#include <cstddef>
#include <utility>

namespace voicechan {

/// Bounds what many hold together: what waits for slow receivers, what has arrived of incomplete
/// messages. Each may hold as much as the others leave free, so that a few may have much, thousands
/// share, and the sum stays below the bound (dynamic thresholds: A. K. Choudhury, E. L. Hahne,
/// IEEE/ACM Transactions on Networking 6/2, 1998). Must outlive those who hold of it. One thread at
/// a time.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::size_t max_bytes) noexcept : free_bytes_(max_bytes) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  std::size_t free_bytes() const noexcept { return free_bytes_; }

  /// True if one who holds `held` bytes may have `more`.
  bool allows(std::size_t held, std::size_t more) const noexcept {
    return more <= free_bytes_ && held <= free_bytes_ - more;
  }
  /// To be called with what is allowed only.
  void take(std::size_t bytes) noexcept { free_bytes_ -= bytes; }
  /// To be called with what was taken only.
  void give_back(std::size_t bytes) noexcept { free_bytes_ += bytes; }

  /// What one holds; given back when it is destroyed.
  class Share {
   public:
    explicit Share(MemoryBudget& budget) noexcept : budget_(&budget) {}
    Share(Share&& other) noexcept
        : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}
    Share& operator=(Share&&) = delete;
    ~Share() { budget_->give_back(bytes_); }

    std::size_t bytes() const noexcept { return bytes_; }

    /// False, and nothing changes, if it may not have so much.
    [[nodiscard]] bool resize(std::size_t bytes) noexcept {
      if (bytes > bytes_ && !budget_->allows(bytes_, bytes - bytes_)) return false;
      budget_->give_back(bytes_);
      budget_->take(bytes);
      bytes_ = bytes;
      return true;
    }

   private:
    MemoryBudget* budget_;
    std::size_t bytes_ = 0;
  };

 private:
  std::size_t free_bytes_;
};

}  // namespace voicechan

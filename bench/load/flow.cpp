#include "flow.hpp"

namespace voicechan::load {

Arrival Flow::take(std::uint64_t number) noexcept {
  if (number == next_) {
    ++next_;
    seen_ = seen_ << 1 | 1;
    return Arrival::in_order;
  }
  if (number > next_) {
    const std::uint64_t gap = number - next_;
    missing_ += gap;
    seen_ = gap >= 63 ? 1 : seen_ << (gap + 1) | 1;
    next_ = number + 1;
    return Arrival::after_gap;
  }
  // Too old to be remembered: late if any is missing.
  const std::uint64_t back = next_ - 1 - number;
  const std::uint64_t bit = back < 64 ? std::uint64_t{1} << back : 0;
  if ((seen_ & bit) != 0 || missing_ == 0) return Arrival::duplicate;
  seen_ |= bit;
  --missing_;
  return Arrival::late;
}

}  // namespace voicechan::load

#pragma once

#include <cstddef>

namespace voicechan {

/// What the calling thread has asked of operator new, in the whole test program. For differences
/// between two readings.
struct AllocationCount {
  std::size_t allocations = 0;
  std::ptrdiff_t live_bytes = 0;
};

AllocationCount allocation_count() noexcept;

}  // namespace voicechan

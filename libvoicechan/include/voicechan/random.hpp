#pragma once

#include <cstddef>
#include <cstdint>

#include "voicechan/export.hpp"

namespace voicechan {

/// Where the library gets the randomness of signaling ids. Must be cryptographically secure in
/// production: an id is a capability to send to a peer. Thread-safe.
class VOICECHAN_API RandomSource {
 public:
  virtual ~RandomSource() = default;
  /// Fills `size` bytes; cannot fail.
  virtual void fill(void* bytes, std::size_t size) noexcept = 0;
};

/// The kernel's generator. Thread-safe.
VOICECHAN_API RandomSource& system_random() noexcept;

/// 64 bits of it, to name a node of a backplane for instance. Thread-safe.
VOICECHAN_API std::uint64_t random_number() noexcept;

}  // namespace voicechan

#pragma once

#include "freshness_gate.hpp"

namespace voicechan::server {

/// What the kernel's TCP knows of the way to the peer of a socket, which it does not own.
class SocketPath final : public NetworkPath {
 public:
  explicit SocketPath(int descriptor) noexcept : descriptor_(descriptor) {}

  std::size_t unacknowledged_bytes() noexcept override;
  RoundTrip round_trip() noexcept override;

 private:
  const int descriptor_;
};

}  // namespace voicechan::server

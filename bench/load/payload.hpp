#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace voicechan::load {

/// What every frame of the relay load carries. `sent_ns` is `monotonic_ns` modulo 2^56.
struct Stamp {
  std::uint32_t run = 0;      // differs between runs of the program
  std::uint32_t room = 0;     // below 2^28
  std::uint32_t speaker = 0;  // below 2^28; counted in each room
  std::uint64_t sequence = 0;
  std::int64_t sent_ns = 0;
};

constexpr std::size_t kStampBytes = 32;
constexpr std::uint32_t kMaxStampIndex = (1u << 28) - 1;

/// Fills `data` with the stamp and, behind it, bytes that follow from it. All are below 0x80, so
/// that the same payload does for a text frame. `size` is at least `kStampBytes`.
void write_payload(const Stamp& stamp, char* data, std::size_t size) noexcept;

/// The stamp of a payload; nothing if it has none or if any byte behind it is not what was written.
std::optional<Stamp> find_stamp(std::string_view payload) noexcept;

/// How long ago the stamp was written.
std::int64_t age_ns(const Stamp& stamp, std::int64_t now) noexcept;

}  // namespace voicechan::load

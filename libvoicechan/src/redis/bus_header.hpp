#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "big_endian.hpp"

namespace voicechan::redis {

/// What stands before each message on the bus: it makes one message of what comes by two instances,
/// and keeps the order of a publisher who changes from one to the other.
///
///     0 u8 magic  1 u8 version  2 u8 kind  3 u8 flags  4 u64 origin  12 u64 number
struct BusHeader {
  enum class Kind : std::uint8_t {
    message = 1,
    probe = 2,
    /// To all nodes: the origin does not hear the server whose `Rendezvous::seed` is the number.
    deaf = 3,
  };

  static constexpr std::size_t kBytes = 20;

  Kind kind = Kind::message;
  /// The publisher has forgotten its numbers of this topic: what lies before this one is no loss.
  bool is_first = false;
  std::uint64_t origin = 0;  ///< random per bus object
  std::uint64_t number = 0;  ///< of an origin and a topic: each one higher than the last

  std::string encode() const {
    std::string bytes{static_cast<char>(kMagic), static_cast<char>(kVersion),
                      static_cast<char>(kind), static_cast<char>(is_first ? 1 : 0)};
    append_big_endian(bytes, origin);
    append_big_endian(bytes, number);
    return bytes;
  }

  /// None for what no bus of ours has published, or a newer one in another way.
  static std::optional<BusHeader> decode(std::string_view bytes) noexcept {
    if (bytes.size() < kBytes || static_cast<std::uint8_t>(bytes[0]) != kMagic ||
        static_cast<std::uint8_t>(bytes[1]) != kVersion) {
      return std::nullopt;
    }
    BusHeader header;
    header.kind = static_cast<Kind>(bytes[2]);
    if (header.kind < Kind::message || header.kind > Kind::deaf) return std::nullopt;
    header.is_first = (bytes[3] & 1) != 0;
    header.origin = read_big_endian<std::uint64_t>(bytes.substr(4));
    header.number = read_big_endian<std::uint64_t>(bytes.substr(12));
    return header;
  }

 private:
  static constexpr std::uint8_t kMagic = 0xB5;
  static constexpr std::uint8_t kVersion = 1;
};

}  // namespace voicechan::redis

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace voicechan::load {

/// A message of a signaling server, as far as the load looks at it.
struct TripMessage {
  enum class Type { joined, ping, pong, error };
  Type type = Type::error;
  std::string id;    // of joined
  std::string from;  // of ping and pong
  std::string code;  // of error
  std::uint64_t number = 0;
  std::int64_t sent_ns = 0;
  std::size_t pad_bytes = 0;
};

/// Nothing if it is none of these types or lacks what they have.
std::optional<TripMessage> read_trip_message(std::string_view payload);

/// Makes the messages to one peer.
class TripWriter {
 public:
  /// `type` is ping or pong; messages have about `bytes` bytes.
  TripWriter(std::string_view type, std::string_view to, std::size_t bytes);

  /// Valid until the next call.
  std::string_view write(std::uint64_t number, std::int64_t sent_ns);

  std::size_t pad_bytes() const noexcept { return pad_.size(); }

 private:
  std::string head_;
  std::string pad_;
  std::string message_;
};

}  // namespace voicechan::load

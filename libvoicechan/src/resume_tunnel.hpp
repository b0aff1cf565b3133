#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "voicechan/backplane.hpp"
#include "voicechan/error.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/model.hpp"
#include "voicechan/transport.hpp"

// A client resumes its session over a connection to another hub than the session's. Then that hub
// passes on, as directed messages between the session's key and an id of the connection that nobody
// else knows: what the client is told as text, all else as signals in binary. No client can send a
// directed message in binary, and none that is comes to a peer.
//
// What hubs send each other may be lost, and a hub may go without a word. So what the client is
// told is numbered (`SendTicket::receipt`): the connection ends the tunnel at a hole. And both ends
// ask for the other one from time to time. Each end says when it does without the other one; a
// message that nobody took ends the tunnel as well, but a question alone that was lost does not.

namespace voicechan {

/// The first number of what the client is told; the only one of hubs of versions that did not
/// count.
inline constexpr std::uint64_t kFirstNumber = 1;
/// `SendTicket::receipt` of a probe from the connection, which hears a late answer, too, by it. All
/// else that the connection sends has none.
inline constexpr std::uint64_t kProbeReceipt = 1;

/// Why a session is not resumed.
enum class ResumeFailure : std::uint8_t { unknown, missed_too_much, bad_seq };

/// As it is told to clients.
std::string_view to_string(ResumeFailure failure) noexcept;

struct TunnelSignal {
  enum class Kind : std::uint8_t {
    // From the connection.
    resume,  // `seq`, `user`
    said,    // `text`
    lost,
    closed,
    refused,  // `code`: the client's message was not taken
    // From the session.
    failed,    // `failure`: it has left, or was not resumed
    replaced,  // another connection has it
    cut,       // it waits to be resumed
    // From either: is the other one there? From the connection `seq`: the number of the last text
    // that has been handed to the network.
    probe,
  };

  Kind kind;
  std::uint64_t seq = 0;
  UserId user{};
  Errc code{};
  ResumeFailure failure{};
  std::string text{};

  Frame to_frame() const;
  /// Nothing if the frame is none, such as all that clients write.
  static std::optional<TunnelSignal> from_frame(const Frame& frame);
};

/// Whether the other end of a tunnel is still there.
class TunnelWatch {
 public:
  /// After so many looks in a row without a sign it is not. Whoever is back within 7 s has given
  /// one by then, as a server that paused for as long as a lease (6 s).
  static constexpr int kMaxMissed = 4;

  void on_heard() noexcept { is_heard_ = true; }

  /// How many looks in a row there has been no sign, this one included.
  int look() noexcept { return missed_ = std::exchange(is_heard_, false) ? 0 : missed_ + 1; }

 private:
  bool is_heard_ = true;
  int missed_ = 0;
};

/// The way out to a client whose connection is with another hub. One thread at a time.
class TunnelTransport final : public Transport {
 public:
  /// More than this on the way is too much for further directed messages.
  static constexpr std::size_t kMaxUnwrittenBytes = 256u << 10;

  TunnelTransport(BackplanePort& port, const PeerId& key, const PeerId& connection)
      : port_(&port), key_(key), peer_(connection) {}

  const PeerId& peer() const noexcept { return peer_; }

  void send(const Frame& frame) noexcept override;
  void send(const TunnelSignal& signal);
  bool is_congested() const noexcept override { return unwritten_bytes_ > kMaxUnwrittenBytes; }
  bool notify_when_written() noexcept override {
    is_to_tell_ = true;
    return true;
  }

  /// The frame of this number has been handed to the network, and so has what came before. True if
  /// the session is to be told that all has.
  bool on_written(std::uint64_t number) noexcept;

  TunnelWatch& watch() noexcept { return watch_; }

 private:
  BackplanePort* const port_;
  const PeerId key_;
  const PeerId peer_;
  std::deque<std::size_t> unwritten_;  // sizes of frames
  std::size_t unwritten_bytes_ = 0;
  std::uint64_t last_number_ = 0;
  bool is_to_tell_ = false;
  TunnelWatch watch_;
};

}  // namespace voicechan

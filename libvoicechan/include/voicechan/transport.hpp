#pragma once

#include "voicechan/export.hpp"
#include "voicechan/frame.hpp"

namespace voicechan {

/// The way out to one connected client. Implemented by the host for whatever carries the bytes: a
/// WebSocket, a game server's UDP stack, a queue in memory.
///
/// Called by the library on the hub's thread. No method may throw, and none but `send` may touch a
/// `Session`.
class VOICECHAN_API Transport {
 public:
  virtual ~Transport() = default;

  /// Takes one frame to be sent after all earlier ones. It may call and destroy any `Session`, that
  /// of this transport included. The host bounds what waits (`Outbox` does
  /// it): stale media may be dropped and counted; when too much control waits, the host disconnects
  /// the client rather than drop a frame.
  virtual void send(const Frame& frame) noexcept = 0;

  /// True while so much waits that a directed message should be refused with `peer_busy` instead of
  /// being queued.
  virtual bool is_congested() const noexcept { return false; }

  /// Asks for a call of `Session::on_written` as soon as nothing waits any more of what was given
  /// to `send` up to then; comes before the `send` that it is about. False: this transport cannot
  /// tell, and what it has been given counts as handed to the network.
  virtual bool notify_when_written() noexcept { return false; }

  /// The client has resumed its session over another transport: the `Session` that was behind this
  /// one is empty already, nothing more is sent. The host disconnects.
  virtual void on_replaced() noexcept {}

  /// The client's session is with another hub and waits for him to resume it over another
  /// connection, since messages on the way may have been lost. True: the host breaks this one off,
  /// within the call or later, without a close code; the `Session` behind it is emptied right after
  /// the call. False: it cannot; then the session leaves, and the client is told that it is lost.
  virtual bool break_off() noexcept { return false; }

  /// The address in the midst of what `send` reads and writes first, one cache line before it and
  /// two from it on, if that is not the transport itself. Asked once, when the client joins a room;
  /// a fan-out to many members has these lines come from memory before it calls `send`.
  virtual const void* hot_memory() const noexcept { return this; }
};

}  // namespace voicechan

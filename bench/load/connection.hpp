#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "endpoint.hpp"
#include "event_loop.hpp"
#include "fragments.hpp"
#include "websocket_frame.hpp"

namespace voicechan::load {

/// What all connections of the program share.
struct Network {
  EventLoop loop;
  MaskKeys masks;
  std::vector<char> input;  // received bytes are read into this and used there

  Network();
};

/// Why a connection ended.
struct Ending {
  std::uint16_t code = 0;  // of the server's close frame; 0 if there was none
  std::string reason;      // of the close frame, or what happened instead
  std::int64_t at_ns = 0;
};

/// A WebSocket client. Answers pings, puts fragments together. Writes when it is flushed.
class Connection final : public EventLoop::Source {
 public:
  class Handler {
   public:
    /// A message came at `now`; `payload` is valid during the call.
    virtual void on_message(Connection& connection, Opcode kind, std::string_view payload,
                            std::int64_t now) = 0;
    /// The server has ended an open connection, see `ending`. Not called after `close`.
    virtual void on_closed(Connection& connection) = 0;

   protected:
    ~Handler() = default;
  };

  enum class State { idle, connecting, handshaking, open, closed };

  /// `id` is the handler's own name for the connection.
  Connection(Network& network, Handler& handler, std::uint32_t id) noexcept
      : network_(network), handler_(handler), id_(id) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  /// Begins to connect and sends the handshake; `state` tells when it is open or has failed. A
  /// `receive_buffer` of 0 leaves the system's.
  void connect(const Endpoint& to, const Endpoint* from, std::string request, int receive_buffer);

  std::uint32_t id() const noexcept { return id_; }
  State state() const noexcept { return state_; }
  bool is_open() const noexcept { return state_ == State::open; }
  const Ending& ending() const noexcept { return ending_; }

  /// Queues a message; nothing happens unless it is open.
  void send(Opcode kind, std::string_view payload);
  /// Writes what is queued, in one call.
  void flush();
  std::size_t unsent_bytes() const noexcept { return output_.size() - written_; }

  /// From now on only `read` reads; the loop tells about the end only.
  void stop_reading();
  /// Reads up to so many bytes; returns how many there were.
  std::size_t read(std::size_t max_bytes);
  /// The server has ended its side, but not all has been read.
  bool is_ended_by_server() const noexcept { return ended_at_ != 0; }

  /// Ends it with this code, without waiting for the answer.
  void close(std::uint16_t code);

 private:
  void on_ready(std::uint32_t events) override;
  void watch(std::uint32_t events);
  /// Uses bytes that lie together; returns how many are left for later.
  std::size_t use(std::string_view bytes);
  void use_frame(const FrameView& frame, std::int64_t now);
  void use_control_frame(const FrameView& frame);
  void end(std::string reason, std::uint16_t code = 0);

  Network& network_;
  Handler& handler_;
  std::uint32_t id_;
  int fd_ = -1;
  State state_ = State::idle;
  bool only_told_of_end_ = false;
  std::uint32_t watched_ = 0;
  std::int64_t ended_at_ = 0;
  std::string output_;
  std::size_t written_ = 0;  // of output_
  std::string rest_;         // the begin of a frame
  Fragments fragments_;
  Ending ending_;
};

}  // namespace voicechan::load

#pragma once

#include <array>
#include <asio.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "voicechan/hub.hpp"
#include "voicechan/outbox.hpp"

using Socket = asio::local::stream_protocol::socket;

/// What comes before each payload, both ways: 't' or 'b' for text or binary, and the length in 4
/// bytes, big-endian.
using Head = std::array<unsigned char, 5>;

inline Head head_of(voicechan::FrameKind kind, std::size_t size) {
  Head head{static_cast<unsigned char>(kind == voicechan::FrameKind::text ? 't' : 'b')};
  for (std::size_t i = 4; i > 0; --i, size >>= 8) head[i] = static_cast<unsigned char>(size);
  return head;
}
inline std::size_t size_in(const Head& head) {
  std::size_t size = 0;
  for (std::size_t i = 1; i < head.size(); ++i) size = size << 8 | head[i];
  return size;
}

/// A client behind a Unix socket. What he sends first is the text "<room>/<username>", and the
/// answer is "welcome". Kept alive by what it waits for: it ends when it is closed.
class Connection final : public voicechan::Transport,
                         public std::enable_shared_from_this<Connection> {
 public:
  Connection(Socket socket, voicechan::Hub& hub, const voicechan::OutboxLimits& limits,
             voicechan::OutboxObserver& observer)
      : socket_(std::move(socket)), hub_(&hub), outbox_(limits, &observer) {}

  void read() {
    asio::async_read(socket_, asio::buffer(head_), [self = shared_from_this()](auto error, auto) {
      if (error || size_in(self->head_) > kMaxBytes) return self->close();
      self->body_.resize(size_in(self->head_));
      asio::async_read(self->socket_, asio::buffer(self->body_), [self](auto failed, auto) {
        if (failed) return self->close();
        self->on_message(std::move(self->body_));
        if (self->socket_.is_open()) self->read();
      });
    });
  }

  /// Also called while another client's `read` is under way, or this one's. To close, and so to
  /// leave the room, is allowed here.
  void send(const voicechan::Frame& frame) noexcept override {
    if (!socket_.is_open()) return;
    if (!outbox_.push(frame, std::chrono::steady_clock::now())) return close();  // far too slow
    write();
  }

  bool is_congested() const noexcept override { return outbox_.is_congested(); }

 private:
  static constexpr std::size_t kMaxBytes = 64u << 10;

  void on_message(std::string body) {
    const auto kind = head_[0] == 't' ? voicechan::FrameKind::text : voicechan::FrameKind::binary;
    // A host whose clients are not its own looks here whether text is UTF-8.
    if (session_) return session_.receive(kind, std::move(body));
    const auto slash = body.find('/');
    const auto room = voicechan::RoomName::parse(body.substr(0, slash));
    const auto name = voicechan::Username::parse(slash < body.size() ? body.substr(slash + 1) : "");
    if (!room || !name) return close();
    static std::int64_t last_id = 0;
    auto session = hub_->join_voice({{++last_id}, name->str()}, *room, *this);
    if (!session) return close();
    session_ = *std::move(session);
    send(voicechan::Frame::control_text("welcome"));
  }

  /// One frame at a time: what the socket has taken can not be dropped any more, when it is old.
  void write() {
    outbox_.drop_stale(std::chrono::steady_clock::now());
    if (is_writing_ || outbox_.is_empty()) return;
    is_writing_ = true;
    outbox_.pin_front();
    const voicechan::Frame& frame = outbox_.frame(0);
    written_head_ = head_of(frame.kind(), frame.size());
    const std::array<asio::const_buffer, 2> buffers{asio::buffer(written_head_),
                                                    asio::buffer(frame.bytes())};
    asio::async_write(socket_, buffers, [self = shared_from_this(), frame](auto error, auto) {
      self->is_writing_ = false;
      if (error) return self->close();
      self->outbox_.pop_front();
      self->write();
    });
  }

  void close() {
    asio::error_code ignored;
    socket_.close(ignored);
    session_.leave();
  }

  Socket socket_;
  voicechan::Hub* hub_;
  voicechan::Outbox outbox_;
  voicechan::Session session_;
  bool is_writing_ = false;
  Head head_{}, written_head_{};
  std::string body_;
};

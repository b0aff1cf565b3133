#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "authenticator.hpp"
#include "connection.hpp"
#include "inbound_meter.hpp"
#include "router.hpp"
#include "user_counts.hpp"
#include "voicechan/directory.hpp"
#include "voicechan/hub.hpp"
#include "websocket_codec.hpp"
#include "worker_counters.hpp"

namespace voicechan::server {

class NotificationFeed;

/// WebSocket on one connection: messages go to a session of the hub, and what the hub sends goes
/// out. Pings, close handshake and deadlines are kept here. A close frame, of either side, is the
/// leave; a connection that ends in any other way loses its session, which may wait to be resumed.
class WebSocketSession final : public Protocol, private Transport {
 public:
  WebSocketSession(Connection& connection, Endpoint endpoint,
                   std::shared_ptr<const LiveCredential> credential, UserCounts::Place place);
  ~WebSocketSession() override;

  /// Joins what the route names: a room, signaling, or the user's notifications. To be called once,
  /// before anything else. Why it failed, if it did: then nothing is to follow. `protocol` is for a
  /// voice room.
  std::error_code join(const Route& route, Identity user, VoiceProtocol protocol);

  /// Sends what a notifications client has missed, if he asks for it. To be called once, when the
  /// answer to his handshake has been written.
  void catch_up();

  void on_bytes(std::uint8_t* data, std::size_t size) override;
  MonotonicTime on_deadline(MonotonicTime now) override;
  void on_output_written() override;
  void on_end_of_input() override;
  void request_echo() override;
  Use use() const noexcept override { return Use::until_told; }
  void drain() override;
  bool is_revoked() const noexcept override { return credential_->is_revoked(); }
  void close_revoked() override;
  std::uint64_t session_serial() const noexcept override {
    // Not once the peer has ended, whatever is still to be written to him.
    return is_joined_ && !is_close_counted_ && connection_.is_open() ? serial_ : 0;
  }
  SessionView view_session() const override;
  void kick() override;
  std::string_view name() const noexcept override;

 private:
  void send(const Frame& frame) noexcept override;
  bool notify_when_written() noexcept override {
    connection_.notify_when_written();
    return true;
  }
  void on_replaced() noexcept override;
  bool break_off() noexcept override;
  Result<Session> open_session(const Route& route, Identity user, VoiceProtocol protocol);
  Session open_notifications(const Route& route, const Identity& user);
  void take_missed(const Result<std::vector<InvitationNotice>>& found);
  bool is_congested() const noexcept override { return connection_.is_congested(); }
  const void* hot_memory() const noexcept override { return connection_.hot_memory(); }

  void on_event(WebSocketCodec::Event event);
  void count_message(const WebSocketCodec::Event& event);
  void on_ping(const std::string& payload);
  bool is_within_rates(std::size_t bytes);
  bool is_control_flood();
  /// Closes without reading on.
  void fail(CloseCode code, std::string_view reason);
  void begin_close(CloseCode code, std::string_view reason);
  /// Counts the WebSocket as ended, once.
  void count_close(std::uint16_t code) noexcept;
  WorkerCounters& counters() noexcept;

  Connection& connection_;
  WebSocketCodec codec_;
  std::unique_ptr<NotificationFeed> feed_;  // null: what the hub sends goes out as it is
  Session session_;                         // a call of `receive` may put another one here, or none
  const std::shared_ptr<const LiveCredential> credential_;
  const UserCounts::Place place_;
  const std::uint64_t serial_;
  const MonotonicTime opened_;
  const Endpoint endpoint_;
  bool is_joined_ = false;  // and counted
  bool is_close_counted_ = false;
  bool is_closing_ = false;            // our close frame is queued; we wait for the peer's
  std::unique_ptr<std::string> pong_;  // to the newest ping that could not be answered yet
  InboundMeter meter_;
  MemoryBudget::Share held_;  // of a message that is not complete
  MonotonicTime last_received_;
  MonotonicTime message_began_ = MonotonicTime::max();
  MonotonicTime ping_sent_ = MonotonicTime::max();
  MonotonicTime close_deadline_ = MonotonicTime::max();
};

}  // namespace voicechan::server

#pragma once

#include <asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "connection_counts.hpp"
#include "deadline_wheel.hpp"
#include "freshness_gate.hpp"
#include "output.hpp"
#include "session_view.hpp"
#include "tls.hpp"

namespace voicechan::server {

class Connection;
class Worker;

/// What a connection speaks: HTTP first, WebSocket after an upgrade. Owned by its Connection,
/// called on the worker's thread; a call may replace the protocol of the connection or close it.
class Protocol {
 public:
  virtual ~Protocol() = default;

  /// Bytes from the network, which it may change in place.
  virtual void on_bytes(std::uint8_t* data, std::size_t size) = 0;

  /// Looks after its own deadlines: acts on those that have passed, returns the next one.
  virtual MonotonicTime on_deadline(MonotonicTime now) = 0;

  /// The peer has closed its side; the connection closes once what is queued has been written.
  virtual void on_end_of_input() {}

  /// All that was queued has been written to the socket, as `Connection::notify_when_written`
  /// asked.
  virtual void on_output_written() {}

  /// The peer is to be asked for a sign that it has got what was written so far; on its answer
  /// `Connection::on_echo` is due.
  virtual void request_echo() {}

  enum class Use {
    idle,        ///< nothing is lost if the connection is closed
    request,     ///< something is under way that ends by itself
    until_told,  ///< goes on until `drain`
  };
  virtual Use use() const noexcept = 0;

  /// The server is about to stop: end in an orderly way, soon.
  virtual void drain() = 0;

  /// The credential that let the peer in has been revoked; `close_revoked` is due.
  virtual bool is_revoked() const noexcept { return false; }
  virtual void close_revoked() {}

  /// The number by which operators know a WebSocket; 0: it is none, or is being closed.
  virtual std::uint64_t session_serial() const noexcept { return 0; }
  /// What they see of it.
  virtual SessionView view_session() const { return {}; }
  /// They do not want it here.
  virtual void kick() {}

  /// For logs: "voice", "http".
  virtual std::string_view name() const noexcept = 0;
};

/// One TCP connection: reads into the worker's buffer, writes what waits once per turn, keeps the
/// deadlines; with TLS in between if it was started so. Knows nothing of HTTP or WebSocket. Owned
/// by its worker; lives until the end of the turn in which it is closed, so a call from below never
/// finds it gone. One thread at a time: the worker's.
class Connection final : public std::enable_shared_from_this<Connection>,
                         private DeadlineWheel::Entry {
 public:
  Connection(Worker& worker, asio::ip::tcp::socket socket, ConnectionCounts::Place place);
  ~Connection() override;

  /// Begins to read; with `tls`, the protocol gets and gives what that encrypts. To be called once.
  void start(std::unique_ptr<Protocol> protocol, std::unique_ptr<TlsStream> tls = nullptr);

  /// Goes on with another protocol, which gets `unread` first. Destroys the present protocol, the
  /// caller included.
  void replace_protocol(std::unique_ptr<Protocol> protocol, std::string unread);

  /// The same, with TLS from here on: `unread` is ciphertext then.
  void replace_protocol(std::unique_ptr<Protocol> protocol, std::unique_ptr<TlsStream> tls,
                        std::string unread);

  /// Queues a data frame to be written at the end of this turn. False: too much control waits.
  [[nodiscard]] bool push(const Frame& frame);
  /// Queues raw bytes ahead of data frames that have not begun.
  void write(std::string bytes);
  /// Queues raw bytes behind everything; nothing may be queued after them.
  void write_last(std::string bytes);
  /// Has the protocol told, once, when all that is queued has been written.
  void notify_when_written() noexcept { notifies_when_written_ = true; }
  /// Drops data frames that have not begun.
  void discard_unsent() noexcept { output_.discard_unsent(); }
  /// Hands nothing more to the protocol; closes once all is written (the write deadline holds) and
  /// the peer has closed its side or a grace time has passed.
  void finish();
  /// Closes at once. `reason` is logged.
  void abort(std::string_view reason) noexcept;

  bool is_congested() const noexcept { return output_.is_congested(); }
  /// Bytes wait that the socket did not take.
  bool is_blocked() const noexcept { return is_waiting_writable_; }
  /// The peer has got what had been written when `Protocol::request_echo` was called.
  /// False if nobody had asked.
  [[nodiscard]] bool on_echo();
  /// Raw bytes of `write` wait.
  bool has_raw_waiting() const noexcept { return output_.has_raw(); }
  /// What waits to be written.
  const Outbox& outbox() const noexcept { return output_.outbox(); }
  /// Frames dropped so far because this receiver was too slow.
  const Drops& drops() const noexcept { return output_.outbox().drops(); }
  /// False after `finish` or `abort`.
  bool is_open() const noexcept { return state_ == State::open; }

  /// Runs `action` unless `finish` or `abort` came first; what it throws ends this connection only.
  void run_if_open(const std::function<void()>& action) noexcept;

  /// While paused nothing is read; what has arrived stays in the kernel.
  void pause_reading() noexcept { is_paused_ = true; }
  void resume_reading();

  /// Asks for `Protocol::on_deadline` at `deadline` at the latest.
  void check_deadline_at(MonotonicTime deadline) noexcept;

  /// Takes what has arrived so far.
  void take_input();
  /// The same, then has the protocol end in an orderly way.
  void drain();
  /// What the connection is in use for, closing handshakes and the last bytes included.
  Protocol::Use use() const noexcept;

  /// It was accepted during a drain: nobody waits for its end.
  bool is_late() const noexcept { return is_late_; }
  void set_late(bool is_late) noexcept { is_late_ = is_late; }
  /// Late for ever: no drain waits for it.
  bool is_for_operators() const noexcept { return is_for_operators_; }
  void set_for_operators() noexcept { is_for_operators_ = true; }

  /// As of the protocol.
  bool is_revoked() const noexcept { return protocol_->is_revoked(); }
  void close_revoked();
  /// The same.
  void kick();
  const Protocol& protocol() const noexcept { return *protocol_; }

  /// Writes what waits. Called by the worker at the end of a turn.
  void flush();
  /// Has a connection that held media back flushed again. Called by the worker some milliseconds
  /// later, before it flushes.
  void recheck();

  Worker& worker() noexcept { return worker_; }

  /// See Transport::hot_memory.
  const void* hot_memory() const noexcept { return output_.hot_memory(); }
  /// Has come from memory what `flush` reads elsewhere.
  void fetch_for_flush() const noexcept { __builtin_prefetch(gate_.get()); }

  /// Who is at the other end: the socket's peer, or what `set_client_address` said.
  const ClientAddress& client_address() const noexcept { return place_.address(); }
  /// It is one more than there may be: it gets answers to probes only.
  bool is_for_probes() const noexcept { return place_.is_for_probes(); }

  /// A proxy that is trusted told whose connection it is; it counts as that address' from now on.
  /// False if that address has too many already: the connection is to be refused.
  [[nodiscard]] bool set_client_address(const ClientAddress& address) {
    return place_.move_to(address);
  }

 private:
  enum class State : std::uint8_t {
    open,
    finishing,  ///< the last bytes are being written, what arrives is thrown away
    lingering,  ///< all is written and our side is shut; waits for the peer's end
    closed,
  };

  void on_deadline(MonotonicTime now) noexcept override;
  bool may_write_media();
  void hold_back();
  void request_echo();
  void wait_readable();
  void on_readable();
  void on_received(std::uint8_t* data, std::size_t size);
  void on_ciphertext(std::string_view received);
  void on_end_of_tls_input();
  void on_end_of_input();
  /// Writes what may be written; false: not all, for now.
  bool write_encrypted();
  /// Gives how much the socket took; if that is not all, waits until it takes more.
  std::size_t send(std::string_view bytes);
  void wait_writable();
  void on_all_written();
  void close() noexcept;
  void mark_dirty();
  /// Runs `action`; what it throws ends this connection and no other.
  template <class Action>
  void guarded(Action action) noexcept;

  ConnectionCounts::Place place_;
  MonotonicTime last_write_progress_{};
  MonotonicTime closing_deadline_ = MonotonicTime::max();
  MonotonicTime next_check_ = MonotonicTime::max();  // what the wheel holds
  // What every delivery touches stands together, from the end of output_ to the beginning of
  // socket_: among thousands of connections it has to be fetched from memory.
  Output output_;
  std::unique_ptr<FreshnessGate> gate_;  // once there has been media
  Worker& worker_;
  State state_ = State::open;
  bool is_dirty_ = false;
  bool is_paused_ = false;
  bool is_waiting_readable_ = false;
  bool is_waiting_writable_ = false;
  bool notifies_when_written_ = false;
  bool is_held_back_ = false;  // media waits that would grow old in the socket
  bool will_be_rechecked_ = false;
  bool has_peer_ended_ = false;
  bool is_late_ = false;
  bool is_for_operators_ = false;
  std::unique_ptr<TlsStream> tls_;  // null: plain TCP
  asio::ip::tcp::socket socket_;
  std::unique_ptr<Protocol> protocol_;  // may look at output_ to the end of its life
};

}  // namespace voicechan::server

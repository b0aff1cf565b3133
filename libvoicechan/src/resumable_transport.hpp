#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "voicechan/backplane.hpp"
#include "voicechan/frame.hpp"
#include "voicechan/transport.hpp"

namespace voicechan {

/// How much is kept of what was sent, for those who missed it.
struct ResumeLimits {
  std::size_t messages;  // of one session
  std::size_t bytes;     // of one session
  std::size_t bytes_of_all;
};

/// What lies between a session that its client may resume and the connection that the client has at
/// the moment, if it has one: numbers what is sent, keeps the newest of it and passes it on. What
/// has not been passed on is waiting. One thread at a time.
class ResumableTransport final : public Transport {
 public:
  /// `kept_of_all` is shared by all that have these limits; both must outlive this.
  ResumableTransport(Transport& connection, const ResumeLimits& limits, std::size_t& kept_of_all)
      : connection_(&connection), limits_(&limits), kept_of_all_(&kept_of_all) {}
  ~ResumableTransport() override;

  void send(const Frame& frame) noexcept override;
  bool is_congested() const noexcept override {
    return connection_ != nullptr && connection_->is_congested();
  }
  /// Whoever connects next has to be asked again.
  bool notify_when_written() noexcept override {
    return connection_ == nullptr || connection_->notify_when_written();
  }

  /// The number of the last message; the first one is 1.
  std::uint64_t last() const noexcept { return last_; }

  /// Null while nobody is connected.
  Transport* connection() const noexcept { return connection_; }
  void disconnect() noexcept { connection_ = nullptr; }

  /// A client cannot have got a message of a greater number.
  std::uint64_t last_passed() const noexcept { return passed_; }
  /// Everything after that one is kept.
  bool keeps_after(std::uint64_t number) const noexcept { return number >= last_ - kept_.size(); }
  /// From now on messages go to `connection`, those after the given one first: by `take_waiting`,
  /// until there is nothing.
  void connect(Transport& connection, std::uint64_t number) noexcept;
  std::optional<Frame> take_waiting() noexcept;
  std::size_t waiting_count() const noexcept { return last_ - passed_; }

  /// A directed message while nobody is connected.
  struct Directed {
    SendTicket ticket;
    Frame frame;
  };

  /// Whether one more may wait: one half of what is kept is left to changes of rosters.
  bool has_room_for(const Frame& frame) const noexcept;
  void wait(Directed message);
  /// Takes out all that wait from one peer, in order.
  std::vector<Directed> take_waiting_from(const PeerId& peer);

 private:
  struct Kept {
    Frame frame;
    std::unique_ptr<SendTicket> ticket;  // of a directed message that had to wait
  };

  void keep(Kept message);
  void drop_oldest() noexcept;
  std::size_t first_waiting() const noexcept;  // its place among those kept

  Transport* connection_;
  const ResumeLimits* const limits_;
  std::size_t* const kept_of_all_;  // bytes
  std::deque<Kept> kept_;           // the newest messages
  std::size_t kept_bytes_ = 0;
  std::uint64_t last_ = 0;
  std::uint64_t passed_ = 0;  // to the connection, the last one if there is none
};

}  // namespace voicechan

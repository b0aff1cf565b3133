#include "paced_bus.hpp"

#include <algorithm>
#include <utility>

#include "byte_reader.hpp"

namespace voicechan::redis {
namespace {

// A piece of a message: this byte, which no message of ours begins with, then which piece it is,
// the origin, the message's number there, and where in the message the piece begins.
constexpr std::uint8_t kPieceMagic = 0xBD;
constexpr std::uint8_t kFirst = 1;
constexpr std::uint8_t kLast = 2;

/// What a message is on its way: a command around it, and the bus' own header.
std::size_t cost_of(std::string_view topic, std::string_view bytes) {
  constexpr std::size_t kAround = 96;
  return kAround + topic.size() + bytes.size();
}

}  // namespace

void PacedBus::publish(std::string_view topic, std::string bytes, bool is_media, Published done) {
  if (bytes.size() <= kPiece) return add(topic, std::move(bytes), is_media, std::move(done));
  // The pieces are no media: without one the others are worth nothing.
  const std::uint64_t number = ++last_number_;
  const std::string_view all = bytes;
  const auto is_whole = std::make_shared<bool>(true);  // so far
  for (std::size_t at = 0; at < all.size(); at += kPiece) {
    const bool is_last = at + kPiece >= all.size();
    std::string piece;
    put_number(piece, kPieceMagic);
    put_number(piece, static_cast<std::uint8_t>((at == 0 ? kFirst : 0) | (is_last ? kLast : 0)));
    put_number(piece, origin_);
    put_number(piece, number);
    put_number(piece, static_cast<std::uint64_t>(at));
    piece.append(all.substr(at, kPiece));
    add(topic, std::move(piece), false,
        [is_whole, done = is_last ? std::exchange(done, {}) : Published{}](auto receivers) {
          if (!receivers) *is_whole = false;
          if (done) done(*is_whole ? receivers : std::nullopt);
        });
  }
}

void PacedBus::add(std::string_view topic, std::string bytes, bool is_media, Published done) {
  const std::size_t size = bytes.size();
  const bool is_free = has_room(cost_of(topic, bytes));
  if (waiting_.empty() && (is_media || is_free)) {
    return send({rooted(topic), std::move(bytes), is_media, std::move(done), {}});
  }
  const bool is_too_much =
      is_media ? waiting_media_ + size > kMaxWaitingMedia : waiting_bytes_ + size > kMaxWaiting;
  if (is_too_much) {
    if (done) refused_.push_back(std::move(done));  // told when something is answered
    return;
  }
  waiting_bytes_ += size;
  if (is_media) waiting_media_ += size;
  waiting_.push_back({rooted(topic), std::move(bytes), is_media, std::move(done), clock_()});
}

void PacedBus::send(Waiting message) {
  if (message.is_media) {
    return bus_->publish(message.topic, std::move(message.bytes), true, std::move(message.done));
  }
  const std::size_t size = cost_of(message.topic, message.bytes);
  unanswered_ += size;
  bus_->publish(message.topic, std::move(message.bytes), false,
                [self = std::weak_ptr<PacedBus*>(self_), size,
                 done = std::move(message.done)](std::optional<std::size_t> receivers) {
                  if (done) done(receivers);
                  if (const auto alive = self.lock()) (*alive)->on_answered(size);
                });
}

void PacedBus::on_answered(std::size_t size) {
  unanswered_ -= size;
  for (const Published& done : std::exchange(refused_, {})) done(std::nullopt);
  pump();
}

void PacedBus::pump() {
  while (!waiting_.empty()) {
    Waiting& next = waiting_.front();
    const std::size_t size = next.bytes.size();
    if (!next.is_media && !has_room(cost_of(next.topic, next.bytes))) return;
    Waiting message = std::move(next);
    waiting_.pop_front();
    waiting_bytes_ -= size;
    if (message.is_media) waiting_media_ -= size;
    if (message.is_media && clock_() - message.since > kMediaAge) continue;
    send(std::move(message));
  }
}

PacedBus::Partials::iterator PacedBus::drop_partial(Partials::iterator partial) {
  if (partial == partial_.end()) return partial;
  partial_bytes_ -= partial->second.bytes.size();
  return partial_.erase(partial);
}

void PacedBus::drop_old_partials() {
  const MonotonicTime oldest = clock_() - kPartialTime;
  for (auto next = partial_.begin(); next != partial_.end();) {
    next = next->second.since < oldest ? drop_partial(next) : std::next(next);
  }
}

void PacedBus::on_gap(std::string_view topic) noexcept {
  const std::string name(topic);
  auto next = partial_.lower_bound({name, 0});
  while (next != partial_.end() && next->first.first == name) next = drop_partial(next);
  listener_->on_gap(unrooted(topic));
}

void PacedBus::on_message(std::string_view topic, std::string_view bytes) noexcept {
  if (bytes.empty() || static_cast<std::uint8_t>(bytes[0]) != kPieceMagic) {
    return listener_->on_message(unrooted(topic), bytes);
  }
  ByteReader in(bytes.substr(1));
  const auto place = in.take<std::uint8_t>();
  const auto origin = in.take<std::uint64_t>();
  const auto number = in.take<std::uint64_t>();
  const auto at = in.take<std::uint64_t>();
  if (!in.is_good()) return;
  const auto key = std::make_pair(std::string(topic), origin);
  if ((place & kFirst) != 0) {
    drop_old_partials();
    if (partial_.size() >= kMaxPartial) drop_partial(partial_.begin());
    drop_partial(partial_.find(key));
    partial_[key] = {number, {}, clock_()};
  }
  const auto partial = partial_.find(key);
  if (partial == partial_.end() || partial->second.number != number) return;  // its first is lost
  if (at != partial->second.bytes.size()) {                                   // another one is
    drop_partial(partial);
    return;
  }
  const std::string_view piece = in.take_rest();
  if (partial_bytes_ + piece.size() > kMaxMessage) {
    drop_partial(partial);
    return;
  }
  partial_bytes_ += piece.size();
  partial->second.bytes.append(piece);
  if ((place & kLast) == 0) return;
  const std::string whole = std::move(partial->second.bytes);
  partial_bytes_ -= whole.size();
  partial_.erase(partial);
  listener_->on_message(unrooted(topic), whole);
}

}  // namespace voicechan::redis

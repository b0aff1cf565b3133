#include "resumable_transport.hpp"

#include <algorithm>
#include <utility>

namespace voicechan {

ResumableTransport::~ResumableTransport() { *kept_of_all_ -= kept_bytes_; }

void ResumableTransport::send(const Frame& frame) noexcept {
  const bool is_next = connection_ != nullptr && passed_ == last_;
  if (is_next) ++passed_;
  keep({frame, nullptr});
  if (is_next) connection_->send(frame);  // may destroy this
}

void ResumableTransport::connect(Transport& connection, std::uint64_t number) noexcept {
  connection_ = &connection;
  passed_ = number;
}

std::optional<Frame> ResumableTransport::take_waiting() noexcept {
  if (passed_ == last_) return std::nullopt;
  Kept& next = kept_[first_waiting()];
  next.ticket = nullptr;
  ++passed_;
  return next.frame;
}

bool ResumableTransport::has_room_for(const Frame& frame) const noexcept {
  if (waiting_count() >= limits_->messages / 2) return false;
  std::size_t bytes = frame.size();
  for (std::size_t i = first_waiting(); i < kept_.size(); ++i) bytes += kept_[i].frame.size();
  return bytes <= limits_->bytes / 2;
}

void ResumableTransport::wait(Directed message) {
  keep({std::move(message.frame), std::make_unique<SendTicket>(message.ticket)});
}

std::vector<ResumableTransport::Directed> ResumableTransport::take_waiting_from(
    const PeerId& peer) {
  std::vector<Directed> taken;
  std::size_t left = first_waiting();
  for (std::size_t i = left; i < kept_.size(); ++i) {
    Kept& message = kept_[i];
    if (message.ticket != nullptr && message.ticket->from == peer) {
      kept_bytes_ -= message.frame.size();
      *kept_of_all_ -= message.frame.size();
      taken.push_back({*message.ticket, std::move(message.frame)});
    } else {
      if (left != i) kept_[left] = std::move(message);
      ++left;
    }
  }
  kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(left), kept_.end());
  last_ -= taken.size();  // nobody has seen their numbers
  return taken;
}

void ResumableTransport::keep(Kept message) {
  const std::size_t size = message.frame.size();
  kept_.push_back(std::move(message));
  kept_bytes_ += size;
  *kept_of_all_ += size;
  ++last_;
  while (!kept_.empty() &&
         (kept_.size() > limits_->messages || kept_bytes_ > limits_->bytes ||
          *kept_of_all_ > limits_->bytes_of_all) &&
         // What waits while somebody is connected is just being passed on.
         (connection_ == nullptr || kept_.size() > waiting_count())) {
    drop_oldest();
  }
}

void ResumableTransport::drop_oldest() noexcept {
  kept_bytes_ -= kept_.front().frame.size();
  *kept_of_all_ -= kept_.front().frame.size();
  kept_.pop_front();
}

std::size_t ResumableTransport::first_waiting() const noexcept {
  return kept_.size() - std::min(waiting_count(), kept_.size());
}

}  // namespace voicechan

#include "latency_sampler.hpp"

#include <algorithm>
#include <chrono>

namespace voicechan::server {
namespace {

// What tells a message from others that arrive about the same time.
constexpr std::size_t kEndBytes = 64;
// Members who are told of each other get it behind a number.
constexpr std::size_t kNumberBytes = 4;
// Perhaps there is nobody to hear it, or none on this worker.
constexpr std::chrono::milliseconds kGiveUpAfter{100};
// Who has not read it by then counts as that late: others are to be followed, too.
constexpr std::chrono::seconds kLongest{1};
// What was followed is the newest that waits, or one of the newest.
constexpr std::size_t kFramesLookedAt = 32;

}  // namespace

void LatencySampler::begin(std::string_view payload, MonotonicTime now) {
  received_ = 0;
  is_active_ = true;
  has_listener_ = false;
  size_ = payload.size();
  end_.assign(payload.substr(size_ - std::min(size_, kEndBytes)));
  arrived_ = now;
}

bool LatencySampler::is_followed(const Frame& frame) const noexcept {
  const std::string_view bytes = frame.bytes();
  if (bytes.size() != size_ && bytes.size() != size_ + kNumberBytes) return false;
  return bytes.substr(bytes.size() - end_.size()) == end_;
}

void LatencySampler::find_listener(const std::vector<Connection*>& dirty, MonotonicTime now) {
  if (has_listener_) return;
  for (auto each = dirty.rbegin(); each != dirty.rend(); ++each) {
    const Outbox& outbox = (*each)->outbox();
    const std::size_t count = std::min(outbox.size(), kFramesLookedAt);
    for (std::size_t i = 1; i <= count; ++i) {
      if (!is_followed(outbox.frame(outbox.size() - i))) continue;
      listener_ = (*each)->weak_from_this();
      has_listener_ = true;
      drops_ = outbox.drops().frames;
      return;
    }
  }
  if (now - arrived_ > kGiveUpAfter) is_active_ = false;
}

void LatencySampler::look_at_listener() {
  if (!has_listener_) return;
  const auto listener = listener_.lock();
  if (listener != nullptr && listener->is_open() && listener->drops().frames == drops_) {
    const auto latency = std::chrono::steady_clock::now() - arrived_;
    if (!listener->outbox().is_empty() && latency < kLongest) return;
    histogram_->record(latency);
  }
  is_active_ = false;
  listener_.reset();
}

}  // namespace voicechan::server

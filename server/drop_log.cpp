#include "drop_log.hpp"

#include <chrono>

#include "spdlog/spdlog.h"

namespace voicechan::server {
namespace {

constexpr std::chrono::seconds kInterval{1};

}  // namespace

void DropLog::on_drop(DropReason reason, const Drops& drops) noexcept {
  Drops& total = totals_[static_cast<std::size_t>(reason)];
  total.frames += drops.frames;
  total.bytes += drops.bytes;
  if (tallies_ != nullptr) (*tallies_)[static_cast<std::size_t>(reason)].add(drops.frames);
  has_news_ = true;
}

void DropLog::report(MonotonicTime now) {
  if (!has_news_ || now < next_report_) return;
  const auto news = [this](DropReason reason) {
    return at(totals_, reason).frames - at(reported_, reason).frames;
  };
  spdlog::warn("audio dropped for slow listeners: {} frames too old, {} without room",
               news(DropReason::too_old), news(DropReason::no_room));
  reported_ = totals_;
  has_news_ = false;
  next_report_ = now + kInterval;
}

}  // namespace voicechan::server

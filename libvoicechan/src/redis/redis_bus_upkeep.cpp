#include <algorithm>
#include <system_error>
#include <utility>

#include "redis/bus_header.hpp"
#include "redis/redis_bus.hpp"

// What a bus does when time passes and subscriptions are acknowledged; redis_bus.cpp has the way of
// the messages.

namespace voicechan::redis {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The loop was held up itself: what it has not read yet may be the answers it misses.
constexpr milliseconds kLateTick{75};
constexpr seconds kSweepEach{10};
// Long enough for two announcements to be lost.
constexpr milliseconds kAnnounceEach{1000};
constexpr milliseconds kBelieved{3500};
constexpr milliseconds kDeafAfter{500};

}  // namespace

std::vector<RedisBus::InstanceStatus> RedisBus::status() const {
  std::vector<InstanceStatus> status;
  for (std::size_t i = 0; i < instances_.size(); ++i) {
    status.push_back({options_.urls[i].display(), instances_[i]->problem(),
                      instances_[i]->acknowledged(), instances_[i]->unanswered()});
  }
  return status;
}

void RedisBus::on_acknowledged(std::size_t, const std::string& topic) {
  const auto entry = topics_.find(topic);
  if (entry == topics_.end() || !entry->second.is_wanted) return;
  const Topic& state = entry->second;  // stays good if a callback subscribes
  if (state.is_answered) listener_.on_gap(topic);
  if (!state.waiting.empty() && is_settled(topic, state)) answer(topic, true);
}

bool RedisBus::is_acknowledged(const std::string& name, const Topic& topic) const {
  return std::any_of(topic.ranks.begin(), topic.ranks.end(),
                     [&](std::size_t index) { return instances_[index]->is_acknowledged(name); });
}

/// Acknowledged wherever that can be: others may publish on either.
bool RedisBus::is_settled(const std::string& name, const Topic& topic) const {
  return is_acknowledged(name, topic) &&
         std::all_of(topic.ranks.begin(), topic.ranks.end(), [&](std::size_t index) {
           return !instances_[index]->is_connected() || instances_[index]->is_acknowledged(name);
         });
}

void RedisBus::answer(const std::string& name, bool is_acknowledged) {
  const auto entry = topics_.find(name);
  if (entry == topics_.end() || !entry->second.is_wanted) return;
  entry->second.is_answered = true;
  for (const auto& done : std::exchange(entry->second.waiting, {})) {
    if (done) done(is_acknowledged);
  }
}

/// An instance that is gone is not waited for.
void RedisBus::answer_settled() {
  std::vector<std::string> settled;
  for (const auto& due : unanswered_) {
    const auto entry = topics_.find(due.topic);
    if (entry != topics_.end() && !entry->second.waiting.empty() &&
        is_settled(due.topic, entry->second)) {
      settled.push_back(due.topic);
    }
  }
  for (const auto& topic : settled) answer(topic, true);
}

void RedisBus::schedule_tick() {
  timer_.expires_at(tick_due_);
  timer_.async_wait([this, alive = std::weak_ptr<char>(alive_)](const std::error_code& cancelled) {
    if (cancelled || alive.expired()) return;
    tick();
    schedule_tick();
  });
}

void RedisBus::tick() {
  const auto now = Clock::now();
  const bool is_late = now - tick_due_ > kLateTick;
  now_ = now;
  tick_due_ = now + kTick;
  for (const auto& instance : instances_) instance->tick(now, is_late);
  answer_overdue(now);
  erase_unwanted();
  release_held(now);
  tell_what_is_not_heard(now);
  if (now < next_sweep_) return;
  next_sweep_ = now + kSweepEach;
  forget_numbers(now);
}

void RedisBus::answer_overdue(Clock::time_point now) {
  while (!unanswered_.empty() && unanswered_.front().at <= now) {
    const auto due_at = unanswered_.front().at;
    const std::string topic = std::move(unanswered_.front().topic);
    unanswered_.pop_front();
    const auto entry = topics_.find(topic);
    if (entry == topics_.end() || entry->second.waiting.empty() ||
        entry->second.answer_by != due_at) {
      continue;
    }
    answer(topic, is_acknowledged(topic, entry->second));
  }
}

void RedisBus::erase_unwanted() {
  for (const auto& name : std::exchange(unwanted_, {})) {
    const auto entry = topics_.find(name);
    if (entry != topics_.end() && !entry->second.is_wanted) topics_.erase(entry);
  }
}

void RedisBus::release_held(Clock::time_point now) {
  for (const auto& name : std::exchange(holding_, {})) {
    const auto entry = topics_.find(name);
    if (entry == topics_.end()) continue;
    bool is_holding = false;
    Topic& topic = entry->second;
    for (auto& [origin, order] : topic.streams) {
      order.tick(now, [&](const std::string& message, bool has_hole) {
        deliver(name, topic, message, has_hole);
      });
      is_holding = is_holding || order.is_holding();
    }
    if (is_holding) holding_.push_back(name);
  }
}

/// Others may be well connected to a server that this node does not hear: it asks them to publish
/// on the other one too. If the server is gone for them as well, they have done so long before.
void RedisBus::tell_what_is_not_heard(Clock::time_point now) {
  const bool is_time = now >= next_announcement_;
  if (is_time) next_announcement_ = now + kAnnounceEach;
  for (std::size_t i = 0; i < instances_.size(); ++i) {
    auto& lost_since = hearing_[i].lost_since;
    if (instances_[i]->is_listening()) {
      lost_since = {};
      continue;
    }
    if (lost_since == Clock::time_point()) lost_since = now;
    if (!is_time || now - lost_since < kDeafAfter) continue;
    const auto bytes =
        BusHeader{BusHeader::Kind::deaf, false, origin_, rendezvous_.seed(i)}.encode();
    for (const auto& instance : instances_) {
      if (instance->can_publish()) instance->announce(bytes);
    }
  }
}

void RedisBus::on_announced(std::string_view bytes) {
  const auto header = BusHeader::decode(bytes);
  if (!header || header->kind != BusHeader::Kind::deaf) {
    ++counts_.not_understood;
    return;
  }
  if (header->origin == origin_) return;
  for (std::size_t i = 0; i < instances_.size(); ++i) {
    if (rendezvous_.seed(i) == header->number) hearing_[i].others_deaf_until = now_ + kBelieved;
  }
}

void RedisBus::forget_numbers(Clock::time_point now) {
  for (auto entry = outgoing_.begin(); entry != outgoing_.end();) {
    const bool is_old = now - entry->second.last_use > kForgetAfter;
    entry = is_old ? outgoing_.erase(entry) : std::next(entry);
  }
}

}  // namespace voicechan::redis

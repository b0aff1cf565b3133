#include "redis/topic_reconciler.hpp"

#include <utility>

namespace voicechan::redis {

void TopicReconciler::want(const std::string& topic, bool is_wanted) {
  if (!is_wanted && topics_.count(topic) == 0) return;
  State& state = topics_[topic];
  state.is_wanted = is_wanted;
  queue_if_due(topic, state);
}

void TopicReconciler::on_up() {
  on_down();
  is_up_ = true;
}

void TopicReconciler::on_down() {
  is_up_ = false;
  acknowledged_ = 0;
  commands_.clear();
  due_.clear();
  refused_.clear();
  for (auto entry = topics_.begin(); entry != topics_.end();) {
    if (!entry->second.is_wanted) {
      entry = topics_.erase(entry);
      continue;
    }
    entry->second = {};
    entry->second.is_wanted = true;
    queue_if_due(entry->first, entry->second);
    ++entry;
  }
}

const TopicReconciler::Command* TopicReconciler::next() {
  if (!is_up_ || commands_.size() >= kMaxCommands) return nullptr;
  Command command;
  while (!due_.empty() && command.topics.size() < kBatch) {
    const auto entry = topics_.find(due_.front());
    State& state = entry->second;
    const bool is_due = state.is_wanted != state.is_acknowledged;
    if (is_due && command.topics.empty()) command.is_subscribe = state.is_wanted;
    if (is_due && command.is_subscribe != state.is_wanted) break;
    state.is_queued = false;
    if (is_due) {
      state.is_under_way = true;
      command.topics.push_back(std::move(due_.front()));
    } else if (!state.is_wanted) {
      topics_.erase(entry);
    }
    due_.pop_front();
  }
  if (command.topics.empty()) return nullptr;
  commands_.push_back(std::move(command));
  return &commands_.back();
}

bool TopicReconciler::acknowledge(bool is_subscribe, const std::string& topic) {
  if (commands_.empty()) return false;
  Command& command = commands_.front();
  if (command.is_subscribe != is_subscribe || command.topics[command.answered] != topic) {
    return false;
  }
  if (++command.answered == command.topics.size()) commands_.pop_front();
  const auto entry = topics_.find(topic);
  State& state = entry->second;
  state.is_under_way = false;
  state.is_acknowledged = is_subscribe;
  is_subscribe ? ++acknowledged_ : --acknowledged_;
  if (!state.is_wanted && !state.is_acknowledged && !state.is_queued) {
    topics_.erase(entry);
  } else {
    queue_if_due(entry->first, state);
  }
  return true;
}

bool TopicReconciler::refuse() {
  if (commands_.empty() || commands_.front().answered != 0) return false;
  Command command = std::move(commands_.front());
  commands_.pop_front();
  for (auto& topic : command.topics) {
    State& state = topics_.find(topic)->second;
    state.is_under_way = false;
    state.is_queued = true;
    refused_.push_back(std::move(topic));
  }
  return true;
}

void TopicReconciler::retry_refused() {
  for (auto& topic : std::exchange(refused_, {})) due_.push_back(std::move(topic));
}

bool TopicReconciler::is_acknowledged(const std::string& topic) const {
  const auto entry = topics_.find(topic);
  return entry != topics_.end() && entry->second.is_wanted && entry->second.is_acknowledged &&
         !entry->second.is_under_way;
}

void TopicReconciler::queue_if_due(const std::string& topic, State& state) {
  if (state.is_queued || state.is_under_way || state.is_wanted == state.is_acknowledged) return;
  state.is_queued = true;
  due_.push_back(topic);
}

}  // namespace voicechan::redis

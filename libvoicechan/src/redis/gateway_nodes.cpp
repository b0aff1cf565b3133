#include <algorithm>
#include <utility>

#include "gateway.hpp"

// Which nodes are alive, and what of those that are not.

namespace voicechan::redis {
namespace {

// Far more than nodes that die while others run.
constexpr std::size_t kMaxFenced = 4096;

}  // namespace

void Gateway::take_epoch(std::uint16_t epoch, bool may_be_given_up) {
  context_.update_time();
  if (may_be_given_up) {
    context_.given_up = context_.origin;
    report(away_.drop_reported());
  }
  context_.origin = make_origin(node_of(context_.origin), epoch);
  ask_everywhere();  // until then a group has its old one
}

void Gateway::drop_node(std::uint64_t node) {
  if (node == node_of(context_.origin)) return;
  context_.update_time();
  std::uint64_t origin = 0;
  for (const auto& each : groups_) {
    origin = std::max(origin, each.second->mirror().drop_node(node));
    touch(*each.second);
  }
  if (origin != 0) fenced_[node] = std::max(fenced_[node], origin);
  if (fenced_.size() > kMaxFenced) fenced_.erase(fenced_.begin());
  inbound_.erase(node);
  context_.ages.forget_node(node);
  owed_.drop_node(node);
  report(away_.drop_node(node));
  request_turn();
}

bool Gateway::is_fenced(std::uint64_t origin) const {
  if (fenced_.empty()) return false;
  const auto found = fenced_.find(node_of(origin));
  return found != fenced_.end() && origin <= found->second;
}

void Gateway::on_lease(std::uint64_t origin) {
  if (is_fenced(origin)) fenced_.erase(node_of(origin));
}

std::set<std::uint64_t> Gateway::known_nodes() const {
  std::set<std::uint64_t> nodes;
  for (const auto& each : groups_) each.second->mirror().add_nodes(nodes);
  for (const auto& each : inbound_) nodes.insert(each.first);
  away_.add_nodes(nodes);
  owed_.add_nodes(nodes);
  return nodes;
}

void Gateway::on_vanished(std::uint64_t node) {
  if (gone_in_order_.erase(node) == 0) miss_all();
}

/// The question that asks for nobody: every node answers that it is not in a group without a name.
void Gateway::ask_whether_alive(std::uint64_t node) {
  asked_.insert(node);
  SnapshotMessage question;
  question.is_question = true;
  publish_to(node, 0, question, {});
}

std::set<std::uint64_t> Gateway::take_heard() {
  asked_.clear();
  return std::exchange(heard_, {});
}

}  // namespace voicechan::redis

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "redis/group_mirror.hpp"

namespace voicechan::redis {

class MirrorNet;

/// One node's roster, as the presences of a process would have it, and its mirror.
class MirrorNode final : public GroupActions {
 public:
  struct Entry {
    std::string key;
    std::string data;
    std::uint64_t position = 0;
  };

  MirrorNode(MirrorNet& net, std::size_t index, std::uint64_t its_number)
      : number(its_number), net_(&net), index_(index) {}

  void open(GroupKind kind, std::uint32_t start) {
    ++opened;
    mirror.emplace(kind, make_origin(number, epoch), start, *this);
  }

  void publish(const Envelope& envelope, const Body& body, std::uint64_t token) override;
  void answer(std::uint64_t node, const Envelope& envelope,
              const SnapshotMessage& message) override;
  void ask_node(std::uint64_t node, const Envelope& envelope) override;

  void enter(std::uint64_t, const MemberRecord& member) override {
    ++came[member.key];
    EXPECT_EQ(find(member.key), roster.end()) << "twice in the room";
    insert({member.key, member.data, member.position});
  }
  void update(std::uint64_t, const MemberRecord& member) override {
    const auto place = find(member.key);
    ASSERT_NE(place, roster.end());
    place->data = member.data;
  }
  void leave(std::uint64_t, const MemberRecord& member) override {
    ++went[member.key];
    const auto place = find(member.key);
    ASSERT_NE(place, roster.end());
    roster.erase(place);
  }
  bool admit(const MemberRecord& member) override {
    EXPECT_EQ(find(member.key), roster.end());
    const auto pending = wanted.find(member.key);
    if (pending == wanted.end()) return false;
    insert({member.key, pending->second, member.position});
    wanted.erase(pending);
    ++admitted;
    return true;
  }
  void on_listeners(bool are_there) override { has_listeners = are_there; }
  void on_ready() override { is_ready = true; }

  /// As a presence has them, in the order of coming.
  void insert(Entry entry) {
    const auto place =
        std::upper_bound(roster.begin(), roster.end(), entry, [](const Entry& a, const Entry& b) {
          return std::tie(a.position, a.key) < std::tie(b.position, b.key);
        });
    roster.insert(place, std::move(entry));
  }
  std::vector<Entry>::iterator find(const std::string& key) {
    return std::find_if(roster.begin(), roster.end(), [&](auto& e) { return e.key == key; });
  }
  /// Key and data of all in the room, in their order.
  std::vector<std::string> keys() const {
    std::vector<std::string> result;
    for (const auto& entry : roster) result.push_back(entry.key + "=" + entry.data);
    return result;
  }
  std::vector<std::string> sorted_keys() const {
    auto result = keys();
    std::sort(result.begin(), result.end());
    return result;
  }

  std::uint64_t number;
  std::uint16_t epoch = 0;
  std::optional<GroupMirror> mirror;
  std::size_t opened = 0;  // how often
  std::vector<Entry> roster;
  std::map<std::string, int> came, went;      // how often, of others
  std::map<std::string, std::string> wanted;  // own peers that are pending, and their data
  std::vector<std::string> own;               // keys that are or want to be in the room
  std::size_t admitted = 0;
  std::size_t published = 0;
  std::size_t questions = 0;
  std::uint32_t last_sequence = 0;  // of what it published
  bool has_listeners = false;
  bool is_ready = false;

 private:
  MirrorNet* const net_;
  const std::size_t index_;
};

/// Nodes in one room and a bus between them that fails as the test wants it. Time is simulated.
class MirrorNet {
 public:
  using milliseconds = std::chrono::milliseconds;

  struct Options {
    GroupKind kind = GroupKind::signaling;
    int loss_percent = 0;  // of each delivery, without a gap being told of
    milliseconds max_delay{5};
    std::size_t nodes = 3;
  };

  MirrorNet(unsigned seed, Options options)
      : loss_percent(options.loss_percent), options_(options), random_(seed) {
    for (std::size_t i = 0; i < options.nodes; ++i) {
      nodes.push_back(std::make_unique<MirrorNode>(*this, i, 0x100 + i));
      nodes.back()->open(options.kind, static_cast<std::uint32_t>(random_()));
    }
    links_.resize(nodes.size());
  }

  std::size_t pick(std::size_t count) { return random_() % count; }
  bool happens(int percent) { return pick(100) < static_cast<std::size_t>(percent); }

  void subscribe(std::size_t index) {
    links_[index].is_up = true;
    nodes[index]->mirror->ask(now);
  }
  /// The subscription is lost; the node does not know yet, or knows and can do nothing.
  void cut(std::size_t index) {
    links_[index].is_up = false;
    for (auto& queue : links_[index].queues) queue.clear();
  }
  bool is_up(std::size_t index) const { return links_[index].is_up; }
  /// Which of two servers of the bus it publishes on; what comes by one is in no order with what
  /// comes by the other.
  void set_bus(std::size_t index, std::size_t bus) { links_[index].bus = bus; }
  /// What it publishes is refused, or not.
  void set_can_publish(std::size_t index, bool can) { links_[index].can_publish = can; }
  bool can_publish(std::size_t index) const { return links_[index].can_publish; }
  /// Its answers and those to it are late by so much.
  void set_slowness(std::size_t index, milliseconds time) { links_[index].slowness = time; }

  /// What it says comes back to it so much later, as by another server of the bus.
  void set_detour(std::size_t index, milliseconds time) { links_[index].detour = time; }

  /// All own members leave, and the node loses its interest.
  void unsubscribe(std::size_t index) {
    MirrorNode& node = *nodes[index];
    while (!node.own.empty()) leave(index, 0);
    node.mirror->close();
    EXPECT_TRUE(node.roster.empty());
    node.mirror.reset();
    cut(index);
  }
  bool is_open(std::size_t index) const { return nodes[index]->mirror.has_value(); }
  void open(std::size_t index) {
    nodes[index]->open(options_.kind, static_cast<std::uint32_t>(random_()));
    subscribe(index);
  }
  /// The process ends, another one begins; its lease ends within 8 s.
  void crash(std::size_t index) {
    MirrorNode& node = *nodes[index];
    const std::uint64_t old = node.number;
    node.number = 0x1000 + ++last_number_;
    node.epoch = 0;
    node.own.clear();
    node.wanted.clear();
    node.roster.clear();
    cut(index);
    node.open(options_.kind, static_cast<std::uint32_t>(random_()));
    later_.emplace(now + milliseconds(6000 + pick(2000)), [this, old] {
      for (auto& each : nodes) {
        if (each->mirror) each->mirror->drop_node(old);
      }
    });
  }
  /// Its lease was gone, perhaps for others to see.
  void renew(std::size_t index) {
    MirrorNode& node = *nodes[index];
    for (auto& other : nodes) {
      if (other.get() != &node && other->mirror && happens(50))
        other->mirror->drop_node(node.number);
    }
    ++node.epoch;
    node.mirror->take_origin(make_origin(node.number, node.epoch), true, now);
  }

  void publish(std::size_t from, Message message, std::uint64_t token) {
    std::optional<std::size_t> receivers;
    if (links_[from].can_publish) {
      receivers = strangers;
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (!links_[i].is_up) continue;
        ++*receivers;
        if (happens(loss_percent)) continue;
        auto deliver = [this, i, message] {
          if (nodes[i]->mirror) nodes[i]->mirror->on_message(message, now);
        };
        const milliseconds detour = i == from ? links_[i].detour : milliseconds(0);
        detour.count() > 0 ? later(detour, std::move(deliver))
                           : push(links_[i].queues[links_[from].bus], std::move(deliver));
      }
    }
    later({}, [this, from, token, receivers, opened = nodes[from]->opened] {
      MirrorNode& node = *nodes[from];
      if (node.mirror && node.opened == opened) node.mirror->on_published(token, receivers, now);
    });
  }
  /// `deliver` is told the index of the node.
  void to_node(std::size_t from, std::uint64_t number, std::function<void(std::size_t)> deliver) {
    if (!links_[from].can_publish || happens(loss_percent)) return;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i]->number != number) continue;
      later(std::max(links_[from].slowness, links_[i].slowness), [this, i, number, deliver] {
        if (nodes[i]->number == number) deliver(i);
      });
    }
  }

  /// Lets time go on; all that is due happens.
  void run(milliseconds time) {
    const MonotonicTime end = now + time;
    while (now < end) {
      for (auto& link : links_) {
        for (auto& queue : link.queues) {
          while (!queue.empty() && queue.front().first <= now) {
            auto deliver = std::move(queue.front().second);
            queue.pop_front();
            deliver();
          }
        }
      }
      while (!later_.empty() && later_.begin()->first <= now) {
        auto deliver = std::move(later_.begin()->second);
        later_.erase(later_.begin());
        deliver();
      }
      for (auto& node : nodes) {
        if (!node->mirror) continue;
        EXPECT_GT(node->mirror->tick(now), now) << "it would never sleep";
        if (node->mirror->is_repeat_due()) node->mirror->repeat(now);
      }
      now += milliseconds(1);
    }
  }

  /// A peer of a node wants to enter, has other data or leaves.
  void change(std::size_t index) {
    MirrorNode& node = *nodes[index];
    if (node.own.empty() || (happens(50) && node.own.size() < 6)) return enter(index);
    const std::size_t which = pick(node.own.size());
    const std::string key = node.own[which];
    if (options_.kind == GroupKind::voice || happens(50)) return leave(index, which);
    if (node.wanted.count(key) != 0) return;
    const std::string data = std::to_string(pick(1000));
    node.find(key)->data = data;
    node.mirror->own_updates(key, data);
  }

  void enter(std::size_t index) {
    MirrorNode& node = *nodes[index];
    PeerId::Random random{};
    for (auto& byte : random) byte = static_cast<std::uint8_t>(pick(256));
    const std::string key = options_.kind == GroupKind::voice
                                ? voice_key(++last_voice_)
                                : std::string(PeerId({node.number, 1}, random).str());
    node.own.push_back(key);
    if (options_.kind == GroupKind::voice) {
      node.roster.push_back({key, "0"});
    } else {
      node.wanted[key] = "0";
    }
    MemberRecord member;
    member.key = key;
    member.data = "0";
    node.mirror->own_enters(std::move(member), now);
  }
  void leave(std::size_t index, std::size_t which) {
    MirrorNode& node = *nodes[index];
    const std::string key = node.own[which];
    node.own.erase(node.own.begin() + static_cast<std::ptrdiff_t>(which));
    if (node.wanted.erase(key) == 0) node.roster.erase(node.find(key));
    node.mirror->own_leaves(key);
  }

  /// Everybody has everybody, once, and nobody else.
  void expect_the_truth() {
    std::vector<std::string> truth;
    for (const auto& node : nodes) {
      EXPECT_TRUE(node->wanted.empty()) << "somebody still waits";
      for (const std::string& key : node->own) {
        const auto place = node->find(key);
        ASSERT_NE(place, node->roster.end());
        truth.push_back(key + "=" + place->data);
      }
    }
    std::sort(truth.begin(), truth.end());
    for (const auto& node : nodes) {
      if (!node->mirror) continue;
      EXPECT_EQ(node->sorted_keys(), truth);
    }
    expect_one_order();
  }

  /// Who came after whom is the same for everybody, whatever he saw.
  void expect_one_order() {
    if (options_.kind != GroupKind::signaling) return;
    std::map<std::string, std::uint64_t> positions;
    for (const auto& node : nodes) {
      for (const auto& entry : node->roster) {
        EXPECT_GT(entry.position, 0u);
        EXPECT_EQ(positions.emplace(entry.key, entry.position).first->second, entry.position);
      }
    }
  }

  int loss_percent;
  std::size_t strangers = 0;  // who are counted as receivers, and never say anything
  std::vector<std::unique_ptr<MirrorNode>> nodes;
  MonotonicTime now{};

 private:
  using Queue = std::deque<std::pair<MonotonicTime, std::function<void()>>>;
  struct Link {
    bool is_up = false;
    bool can_publish = true;
    milliseconds slowness{};
    milliseconds detour{};
    std::size_t bus = 0;
    std::array<Queue, 2> queues;  // in each bus' order
  };

  MonotonicTime soon() {
    return now + milliseconds(pick(static_cast<std::size_t>(options_.max_delay.count()) + 1));
  }
  void push(Queue& queue, std::function<void()> deliver) {
    const MonotonicTime last = queue.empty() ? now : queue.back().first;
    queue.emplace_back(std::max(last, soon()), std::move(deliver));
  }
  void later(milliseconds slowness, std::function<void()> deliver) {
    later_.emplace(soon() + slowness, std::move(deliver));
  }

  const Options options_;
  std::mt19937 random_;
  std::vector<Link> links_;
  std::multimap<MonotonicTime, std::function<void()>> later_;
  std::uint64_t last_voice_ = 0;
  std::uint64_t last_number_ = 0;
};

inline void MirrorNode::publish(const Envelope& envelope, const Body& body, std::uint64_t token) {
  ++published;
  last_sequence = envelope.sequence;
  const auto* snapshot = std::get_if<SnapshotMessage>(&body);
  if (snapshot != nullptr && snapshot->is_question) ++questions;
  net_->publish(index_, {envelope, body}, token);
}
inline void MirrorNode::answer(std::uint64_t node, const Envelope& envelope,
                               const SnapshotMessage& message) {
  net_->to_node(index_, node, [net = net_, envelope, message](std::size_t to) {
    if (net->nodes[to]->mirror) net->nodes[to]->mirror->on_answer(envelope, message, net->now);
  });
}
/// As the gateway answers, which only knows whether it has the group.
inline void MirrorNode::ask_node(std::uint64_t node, const Envelope& envelope) {
  net_->to_node(index_, node, [net = net_, asking = number, envelope](std::size_t to) {
    const MirrorNode& asked = *net->nodes[to];
    if (asked.mirror) return;
    Envelope head = envelope;
    head.origin = make_origin(asked.number, asked.epoch);
    net->to_node(to, asking, [net, head](std::size_t back) {
      if (net->nodes[back]->mirror) net->nodes[back]->mirror->on_answer(head, {}, net->now);
    });
  });
}

}  // namespace voicechan::redis

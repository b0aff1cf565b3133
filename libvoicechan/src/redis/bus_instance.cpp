#include "redis/bus_instance.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "redis/bus_header.hpp"

namespace voicechan::redis {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAnswerWithin{100};
constexpr milliseconds kProbeEach{1000};
// Two probes that did not come back: more may be two unlucky moments of a busy loop.
constexpr std::uint64_t kMissedProbes = 2;
constexpr milliseconds kStableAfter{5000};
constexpr milliseconds kStartGrace{1000};

constexpr std::size_t kMaxWaitingBytes = std::size_t{256}
                                         << 10;  // and as much for what is no media
constexpr RedisReplyLimits kReplyLimits{std::size_t{32} << 20, 1024};

std::string make_probe_topic(const std::string& root, std::uint64_t origin) {
  char text[32];
  (void)std::snprintf(text, sizeof text, "p:%016llx", static_cast<unsigned long long>(origin));
  return root + text;
}

}  // namespace

BusInstance::Publisher::Publisher(BusInstance& owner, asio::io_context& io, const RedisUrl& url,
                                  const std::shared_ptr<asio::ssl::context>& tls)
    : instance(owner), link(io, url, tls, kReplyLimits, *this) {}

BusInstance::Subscriber::Subscriber(BusInstance& owner, asio::io_context& io, const RedisUrl& url,
                                    const std::shared_ptr<asio::ssl::context>& tls)
    : instance(owner), link(io, url, tls, kReplyLimits, *this) {}

BusInstance::BusInstance(asio::io_context& io, const RedisUrl& url,
                         const std::shared_ptr<asio::ssl::context>& tls, std::size_t index,
                         const std::string& root, std::uint64_t origin, Owner& owner)
    : index_(index),
      origin_(origin),
      name_(url.display()),
      probe_topic_(make_probe_topic(root, origin)),
      announcements_(root + 'b'),
      owner_(owner),
      publisher_(*this, io, url, tls),
      listener_(*this, io, url, tls),
      problem_("not connected yet") {
  topics_.want(probe_topic_, true);
  topics_.want(announcements_, true);
}

void BusInstance::start() {
  started_ = Clock::now();
  listener_.link.start();
  publisher_.link.start();
}

bool BusInstance::is_stable(Clock::time_point now) const noexcept {
  return can_publish() && is_listening() && (!was_lost_ || now - usable_since_ >= kStableAfter);
}

bool BusInstance::publish(Publication&& publication) {
  const auto waiting = publisher_.link.waiting_bytes() + publication.bytes.size();
  if (waiting > (publication.is_media ? kMaxWaitingBytes : 2 * kMaxWaitingBytes)) return false;
  send(publication.topic, publication.bytes);
  awaited_.push_back({std::move(publication), Clock::now(), false});
  return true;
}

void BusInstance::send(const std::string& topic, const std::string& bytes) {
  publisher_.link.send({"PUBLISH", topic, bytes});
}

void BusInstance::want(const std::string& topic, bool is_wanted) {
  topics_.want(topic, is_wanted);
  send_due(topics_, listener_.link);
}

std::string BusInstance::handle_nature(const RedisNature& nature) {
  if (nature.is_sentinel) return kIsSentinel;
  if (nature.is_replica) {
    owner_.on_warning(index_,
                      "it is a replica, whose master gives it all that is published there, too: "
                      "name servers that have neither masters nor replicas");
  } else if (nature.is_cluster) {
    owner_.on_warning(index_,
                      "it is a node of a Redis Cluster, which sends each message to all of its "
                      "nodes: name servers of their own");
  }
  return {};
}

void BusInstance::handle_publisher_up() {
  const auto now = Clock::now();
  usable_since_ = now;
  was_lost_ = was_lost_ || now - started_ > kStartGrace;
  last_echo_ = probes_sent_;
  report("");
}

void BusInstance::handle_publisher_down(const std::string& reason) {
  was_lost_ = was_lost_ || usable_since_ != Clock::time_point();
  is_overdue_ = false;
  report(reason);  // first, so that what is given up does not come back here
  give_up_unanswered();
  awaited_.clear();
}

void BusInstance::handle_published(const RedisReply& reply) {
  if (awaited_.empty()) return publisher_.link.reconnect("it answered what nobody asked");
  auto awaited = std::move(awaited_.front());
  awaited_.pop_front();
  const auto now = Clock::now();
  if (is_overdue_ && (awaited_.empty() || now - awaited_.front().sent < kAnswerWithin)) {
    is_overdue_ = false;
    usable_since_ = now;
    report("");
  }
  const bool is_count = reply.type == RedisReply::Type::integer && reply.integer >= 0;
  if (!is_count) {
    is_refusing_ = true;
    if (may_hear()) report("it refused PUBLISH: " + reply.text);  // else that is told
  } else if (std::exchange(is_refusing_, false)) {
    report("");
  }
  if (awaited.is_given_up) return;
  owner_.on_published(
      index_, std::move(awaited.publication),
      is_count ? std::optional(static_cast<std::size_t>(reply.integer)) : std::nullopt);
}

void BusInstance::handle_listener_up() {
  topics_.on_up();
  is_subscribe_refused_ = false;
  last_echo_ = probes_sent_;
  send_due(topics_, listener_.link);
}

void BusInstance::handle_listener_down(const std::string& reason) {
  topics_.on_down();
  report(reason);
}

void BusInstance::handle_push(RedisReply&& reply) {
  if (reply.is_error()) {
    is_subscribe_refused_ = true;
    report("it refused SUBSCRIBE: " + reply.text);
    if (!topics_.refuse()) listener_.link.reconnect("it answered what nobody asked");
    return;
  }
  auto& parts = reply.elements;
  if (parts.size() != 3 || parts[0].type != RedisReply::Type::string ||
      parts[1].type != RedisReply::Type::string) {
    return listener_.link.reconnect("it told a subscriber what none is told");
  }
  if (parts[0].text == "message" && parts[2].type == RedisReply::Type::string) {
    if (parts[1].text == probe_topic_) return handle_probe(parts[2].text);
    if (parts[1].text == announcements_) return owner_.on_announced(parts[2].text);
    return owner_.on_message(index_, parts[1].text, std::move(parts[2].text));
  }
  const bool is_subscribe = parts[0].text == "subscribe";
  if (!topics_.acknowledge(is_subscribe, parts[1].text)) {
    return listener_.link.reconnect("it acknowledged what nobody asked");
  }
  send_due(topics_, listener_.link);
  if (parts[1].text == probe_topic_) return report("");
  if (is_subscribe && parts[1].text != announcements_)
    owner_.on_acknowledged(index_, parts[1].text);
}

void BusInstance::handle_probe(std::string_view bytes) {
  const auto header = BusHeader::decode(bytes);
  if (!header || header->kind != BusHeader::Kind::probe || header->origin != origin_) return;
  last_echo_ = std::max(last_echo_, header->number);
}

void BusInstance::probe() {
  if (probes_sent_ - last_echo_ >= kMissedProbes) {
    const std::string reason = "what we publish does not come back";
    // Both: who knows which of them leads nowhere.
    listener_.link.reconnect(reason);
    publisher_.link.reconnect(reason);
    return;
  }
  const BusHeader header{BusHeader::Kind::probe, false, origin_, ++probes_sent_};
  send(probe_topic_, header.encode());
  awaited_.push_back({{}, Clock::now(), true});
}

void BusInstance::announce(const std::string& bytes) {
  send(announcements_, bytes);
  awaited_.push_back({{}, Clock::now(), true});
}

void BusInstance::tick(Clock::time_point now, bool is_late) {
  if (now >= next_probe_) {
    next_probe_ = now + kProbeEach;
    topics_.retry_refused();
    send_due(topics_, listener_.link);
    if (publisher_.link.is_up() && listener_.link.is_up() && may_hear()) probe();
  }
  if (is_late || is_overdue_ || awaited_.empty() || now - awaited_.front().sent < kAnswerWithin) {
    return;
  }
  is_overdue_ = was_lost_ = true;
  report("it does not answer within 100 ms");
  give_up_unanswered();
}

void BusInstance::give_up_unanswered() {
  std::deque<Publication> publications;
  for (auto& awaited : awaited_) {
    // Where nobody else could do better, the answer may still come.
    if (is_up() && !owner_.has_other(index_, awaited.publication.topic)) continue;
    if (!std::exchange(awaited.is_given_up, true)) {
      publications.push_back(std::move(awaited.publication));
    }
  }
  if (!publications.empty()) owner_.on_given_up(std::move(publications));
}

void BusInstance::report(const std::string& problem) {
  if (!problem.empty()) {
    problem_ = problem;
  } else if (can_publish() && is_listening()) {
    problem_.clear();
  }
  owner_.on_changed(index_);
}

}  // namespace voicechan::redis

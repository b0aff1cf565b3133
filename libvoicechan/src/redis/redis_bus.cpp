#include "redis/redis_bus.hpp"

#include <algorithm>
#include <asio/post.hpp>
#include <system_error>
#include <utility>

#include "redis/bus_header.hpp"
#include "redis/redis_tls.hpp"
#include "redis/tell_log.hpp"
#include "voicechan/random.hpp"

namespace voicechan::redis {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAcknowledgedWithin{1000};
constexpr milliseconds kMediaWorth{200};
// The time in which a node that was cut off is back, or known to have left.
constexpr milliseconds kFewerFor{2000};

std::vector<std::string> names_of(const std::vector<RedisUrl>& urls) {
  std::vector<std::string> names;
  names.reserve(urls.size());
  for (const auto& url : urls) names.push_back(url.host + " " + std::to_string(url.port));
  return names;
}

}  // namespace

std::variant<std::unique_ptr<RedisBus>, std::string> RedisBus::open(asio::io_context& io,
                                                                    Options options,
                                                                    Listener& listener) {
  if (options.urls.empty()) return "a bus needs the URL of a Redis server";
  auto names = names_of(options.urls);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    std::replace(twice->begin(), twice->end(), ' ', ':');
    return "one Redis server is named twice: " + *twice;
  }
  std::vector<std::shared_ptr<asio::ssl::context>> contexts;
  for (const auto& url : options.urls) {
    auto context = make_tls_context(url);
    if (auto* problem = std::get_if<std::string>(&context)) return std::move(*problem);
    contexts.push_back(std::get<0>(std::move(context)));
  }
  return std::unique_ptr<RedisBus>(new RedisBus(io, std::move(options), listener, contexts));
}

RedisBus::RedisBus(asio::io_context& io, Options options, Listener& listener,
                   const std::vector<std::shared_ptr<asio::ssl::context>>& tls)
    : io_(io),
      options_(std::move(options)),
      listener_(listener),
      origin_(random_number()),
      rendezvous_(names_of(options_.urls)),
      hearing_(options_.urls.size()),
      timer_(io) {
  BusInstance::Owner& owner = *this;
  for (std::size_t i = 0; i < options_.urls.size(); ++i) {
    instances_.push_back(std::make_unique<BusInstance>(io, options_.urls[i], tls[i], i,
                                                       options_.root, origin_, owner));
    logged_problems_.push_back(instances_.back()->problem());  // that it is new is no news
  }
}

RedisBus::~RedisBus() = default;

void RedisBus::start() {
  now_ = Clock::now();
  tick_due_ = now_ + kTick;
  for (const auto& instance : instances_) instance->start();
  schedule_tick();
}

void RedisBus::subscribe(std::string topic, Subscribed done) {
  const auto [entry, is_new] = topics_.try_emplace(topic);
  Topic& state = entry->second;
  if (is_new) state.ranks = rendezvous_.rank(topic);
  state.waiting.push_back(std::move(done));
  if (!std::exchange(state.is_wanted, true)) {
    state.is_answered = false;
    for (const auto index : state.ranks) instances_[index]->want(topic, true);
  }
  if (state.waiting.size() == 1) {
    state.answer_by = Clock::now() + kAcknowledgedWithin;
    unanswered_.push_back({state.answer_by, topic});
  }
  if (!is_settled(topic, state)) return;
  asio::post(io_, [this, alive = std::weak_ptr<char>(alive_), topic = std::move(topic)] {
    if (alive.expired()) return;
    const auto current = topics_.find(topic);
    if (current != topics_.end() && is_settled(topic, current->second)) answer(topic, true);
  });
}

void RedisBus::unsubscribe(std::string_view topic) {
  const auto entry = topics_.find(std::string(topic));
  if (entry == topics_.end() || !entry->second.is_wanted) return;
  Topic& state = entry->second;
  state.is_wanted = false;
  state.waiting.clear();
  // At once: who publishes counts this node as one that will answer.
  for (const auto index : state.ranks) instances_[index]->want(entry->first, false);
  unwanted_.push_back(entry->first);
}

void RedisBus::publish(std::string_view topic, std::string bytes, bool is_media, Published done) {
  const auto now = Clock::now();
  Publication publication{std::string(topic), {}, is_media, now, std::move(done), std::nullopt};
  Outgoing& numbers = outgoing(publication.topic);
  BusInstance* const instance = choose(numbers.ranks, is_media, now);
  if (instance == nullptr) return refuse(std::move(publication));

  const BusHeader header{BusHeader::Kind::message, numbers.is_first, origin_, numbers.next};
  bytes.insert(0, header.encode());
  publication.bytes = std::move(bytes);
  // NOLINTNEXTLINE(bugprone-use-after-move): it is untouched then
  if (!instance->publish(std::move(publication))) return refuse(std::move(publication));
  ++numbers.next;
  numbers.is_first = false;
  numbers.last_use = now;
  ++counts_.published;
}

RedisBus::Outgoing& RedisBus::outgoing(const std::string& topic) {
  const auto [entry, is_new] = outgoing_.try_emplace(topic);
  if (is_new) {
    entry->second.ranks = rendezvous_.rank(topic);
    // Above all that we used before we forgot: nobody publishes a million messages a second.
    entry->second.next = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now().time_since_epoch())
            .count());
    entry->second.last_use = Clock::now();
  }
  return entry->second;
}

BusInstance* RedisBus::choose(const TopicRanks& ranks, bool is_media, Clock::time_point now) {
  for (const auto index : ranks) {
    if (instances_[index]->is_stable(now)) return instances_[index].get();
  }
  for (const auto index : ranks) {
    if (instances_[index]->can_publish()) return instances_[index].get();
  }
  if (is_media) return nullptr;
  // Late is better than never.
  for (const auto index : ranks) {
    if (instances_[index]->is_up()) return instances_[index].get();
  }
  return nullptr;
}

bool RedisBus::has_other(std::size_t index, const std::string& topic) {
  return other_than(index, rendezvous_.rank(topic)) != nullptr;
}

BusInstance* RedisBus::other_than(std::size_t index, const TopicRanks& ranks) {
  const auto other = ranks[0] == index ? ranks[1] : ranks[0];
  return other != index && instances_[other]->can_publish() ? instances_[other].get() : nullptr;
}

void RedisBus::refuse(Publication&& publication) {
  if (!publication.receivers) ++(publication.is_media ? counts_.dropped_media : counts_.refused);
  if (!publication.done) return;
  asio::post(io_, [alive = std::weak_ptr<char>(alive_), done = std::move(publication.done),
                   receivers = publication.receivers] {
    if (!alive.expired()) done(receivers);
  });
}

void RedisBus::on_published(std::size_t index, Publication&& publication,
                            std::optional<std::size_t> receivers) {
  const auto counted = with_own(index, publication.topic, receivers);
  if (receivers && !publication.receivers) {
    Outgoing& numbers = outgoing(publication.topic);
    const bool is_incomplete =
        is_unusual(numbers, *receivers) || now_ < hearing_[index].others_deaf_until;
    BusInstance* const other = is_incomplete ? other_than(index, numbers.ranks) : nullptr;
    if (other != nullptr) {
      publication.receivers = counted;
      if (other->publish(std::move(publication))) {
        ++counts_.republished;
        return;
      }
    }
  }
  // NOLINTNEXTLINE(bugprone-use-after-move): it is untouched if it was not published again
  if (publication.done) publication.done(std::max(counted, publication.receivers));
}

/// A node that is about to be subscribed again counts itself: otherwise the only other one would be
/// taken for it.
std::optional<std::size_t> RedisBus::with_own(std::size_t index, const std::string& topic,
                                              std::optional<std::size_t> receivers) const {
  const auto entry = topics_.find(topic);
  const bool is_missing = entry != topics_.end() && entry->second.is_wanted &&
                          !instances_[index]->is_acknowledged(topic);
  return receivers && is_missing ? *receivers + 1 : receivers;
}

/// Whether fewer nodes than usual are there; not any more when that has become usual. Nobody at all
/// is always worth a look at the other server: whoever publishes so is told that a peer is gone.
bool RedisBus::is_unusual(Outgoing& outgoing, std::size_t receivers) {
  if (receivers == 0) return true;
  const auto now = Clock::now();
  if (receivers >= outgoing.usual_receivers) {
    outgoing.usual_receivers = receivers;
    outgoing.fewer_since = {};
    return false;
  }
  if (outgoing.fewer_since == Clock::time_point()) outgoing.fewer_since = now;
  if (now - outgoing.fewer_since < kFewerFor) return true;
  outgoing.usual_receivers = receivers;
  outgoing.fewer_since = {};
  return false;
}

void RedisBus::on_given_up(std::deque<Publication>&& publications) {
  const auto now = Clock::now();
  for (auto& publication : publications) {
    const bool is_worth = !publication.is_media || now - publication.since < kMediaWorth;
    BusInstance* const instance =
        is_worth ? choose(outgoing(publication.topic).ranks, publication.is_media, now) : nullptr;
    if (instance != nullptr && instance->publish(std::move(publication))) {
      ++counts_.republished;
    } else {
      refuse(std::move(publication));  // NOLINT(bugprone-use-after-move): it is untouched then
    }
  }
}

void RedisBus::on_changed(std::size_t index) {
  const std::string& problem = instances_[index]->problem();
  if (problem != logged_problems_[index]) {
    logged_problems_[index] = problem;
    tell_state(options_.log, log_name(index), problem, "in use");
  }
  answer_settled();
  const bool is_reachable = std::any_of(
      instances_.begin(), instances_.end(),
      [](const auto& instance) { return instance->can_publish() && instance->is_listening(); });
  if (std::exchange(is_reachable_, is_reachable) != is_reachable) listener_.on_state(is_reachable);
}

void RedisBus::on_warning(std::size_t index, const std::string& text) {
  tell_log(options_.log, RedisLogLevel::warning, log_name(index) + ": " + text);
}

std::string RedisBus::log_name(std::size_t index) const {
  return "bus " + options_.urls[index].display();
}

void RedisBus::on_message(std::size_t index, const std::string& topic, std::string&& bytes) {
  const auto header = BusHeader::decode(bytes);
  if (!header || header->kind != BusHeader::Kind::message) {
    ++counts_.not_understood;
    return;
  }
  const auto entry = topics_.find(topic);
  if (entry == topics_.end()) return;
  const std::string& name = entry->first;  // references stay good if a callback subscribes
  Topic& state = entry->second;
  StreamOrder& order = stream(name, state, header->origin);
  const bool was_holding = order.is_holding();
  const bool is_new = order.accept(
      index, header->number, header->is_first, std::move(bytes), now_,
      [&](const std::string& message, bool has_hole) { deliver(name, state, message, has_hole); });
  if (!is_new) ++counts_.repeated;
  if (!was_holding && order.is_holding()) holding_.push_back(name);
}

StreamOrder& RedisBus::stream(const std::string& name, Topic& topic, std::uint64_t origin) {
  const auto found = topic.streams.find(origin);
  if (found != topic.streams.end()) return found->second;
  if (topic.streams.size() >= kMaxPublishers) forget_a_publisher(name, topic);
  return topic.streams[origin];
}

/// The one that was silent for longest: a node that has ended, or one of somebody who uses another
/// origin for each message.
void RedisBus::forget_a_publisher(const std::string& name, Topic& topic) {
  ++counts_.forgotten_publishers;
  const auto oldest = std::min_element(
      topic.streams.begin(), topic.streams.end(),
      [](const auto& a, const auto& b) { return a.second.last_use() < b.second.last_use(); });
  StreamOrder order = std::move(oldest->second);
  topic.streams.erase(oldest);
  order.give_up(
      [&](const std::string& message, bool has_hole) { deliver(name, topic, message, has_hole); });
}

void RedisBus::deliver(const std::string& name, const Topic& topic, std::string_view bytes,
                       bool has_hole) {
  if (has_hole) ++counts_.holes;
  if (!topic.is_wanted) return;
  ++counts_.received;
  if (has_hole) listener_.on_gap(name);
  if (topic.is_wanted) listener_.on_message(name, bytes.substr(BusHeader::kBytes));
}

}  // namespace voicechan::redis

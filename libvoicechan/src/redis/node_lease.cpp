#include "node_lease.hpp"

#include <charconv>
#include <chrono>
#include <string_view>
#include <utility>

#include "envelope.hpp"

namespace voicechan::redis {
namespace {

// The time is the server's, so that nodes need not agree on theirs. A lease that ran out is there
// until somebody who judges takes it away, together with the list by which he judges: who finds his
// own was given up by nobody, and who does not may have been. That one is not taken again: others
// tell by its name that the node had none meanwhile. A renewal that the store comes to late, as it
// stood still, judges nobody.
constexpr std::string_view kRenewScript = R"(
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
local judges = 0
if ARGV[4] == '1' and ends and ends - now > ARGV[2] / 2 then
  judges = 1
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
end
if ends or ARGV[3] == '1' then redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) end
local alive = redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf')
local late = redis.call('ZRANGEBYSCORE', KEYS[1], now, now + ARGV[5])
return {ends and 1 or 0, alive, judges, late}
)";
constexpr std::string_view kKey = "vc:nodes";

std::string hexadecimal(std::uint64_t number) {
  char text[17];
  const auto end = std::to_chars(text, text + sizeof text, number, 16).ptr;
  return {text, end};
}

bool is_list(const RedisReply& reply) { return reply.type == RedisReply::Type::array; }

std::optional<std::uint64_t> parse_origin(std::string_view text) {
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<std::uint64_t> parse_origins(const RedisReply& list) {
  std::vector<std::uint64_t> origins;
  for (const RedisReply& each : list.elements) {
    if (const auto origin = parse_origin(each.text)) origins.push_back(*origin);
  }
  return origins;
}

}  // namespace

NodeLease::NodeLease(asio::io_context& io, const RedisUrl& url,
                     std::shared_ptr<asio::ssl::context> tls, std::uint64_t node, Owner& owner)
    : owner_(owner),
      node_(node_of(node)),
      timer_(io),
      link_(io, url, std::move(tls), RedisReplyLimits{std::size_t{1} << 20, 100'000}, *this) {}

void NodeLease::start() { link_.start(); }

void NodeLease::stop() {
  is_stopped_ = true;
  timer_.cancel();
  if (link_.is_up()) link_.send({"ZREM", kKey, own_name()});
}

std::string NodeLease::own_name() const { return hexadecimal(make_origin(node_, epoch_)); }

void NodeLease::on_up() { renew(); }

void NodeLease::on_down(const std::string& reason) {
  is_asking_ = false;
  timer_.cancel();
  view_.on_failed();
  if (problem_ == reason) return;
  problem_ = reason;
  owner_.on_store(problem_);
}

void NodeLease::renew() {
  if (is_stopped_ || !link_.is_up()) return;
  const MonotonicTime now = std::chrono::steady_clock::now();
  // A store that is connected and says nothing for a whole period is none.
  if (is_asking_ && now - asked_at_ >= LeaseView::kRenewal) {
    return link_.reconnect("the store does not answer");
  }
  if (!is_asking_) {
    is_asking_ = true;
    asked_at_ = now;
    link_.send({"EVAL", kRenewScript, "1", kKey, own_name(),
                std::to_string(LeaseView::kLease.count()), view_.is_new() ? "1" : "0",
                view_.may_judge(now) ? "1" : "0", std::to_string(LeaseView::kLate.count())});
  }
  renew_later();
}

void NodeLease::renew_later() {
  timer_.expires_after(LeaseView::kRenewal);
  timer_.async_wait([this, alive = std::weak_ptr<char>(alive_)](const asio::error_code& error) {
    if (!error && !alive.expired()) renew();
  });
}

void NodeLease::on_reply(RedisReply&& reply) {
  if (is_stopped_) return;
  is_asking_ = false;
  if (is_from_replica(reply)) return link_.reconnect(kIsReplica);  // its name may have moved
  const bool is_answer = is_list(reply) && reply.elements.size() == 4 &&
                         is_list(reply.elements[1]) && is_list(reply.elements[3]);
  if (!is_answer) {
    view_.on_failed();
    const std::string problem =
        "leases are not kept: " + (reply.is_error() ? reply.text : "it answers something else");
    if (std::exchange(problem_, problem) != problem) owner_.on_store(problem_);
    return;
  }
  const bool was_there = reply.elements[0].integer == 1;
  const bool may_judge = reply.elements[2].integer == 1;
  const auto leases = parse_origins(reply.elements[1]);
  for (const std::uint64_t origin : leases) owner_.on_lease(origin);
  const auto known = owner_.known_nodes();
  const auto verdict = view_.on_renewed(was_there, leases, known, owner_.take_heard(),
                                        std::chrono::steady_clock::now(), may_judge);
  if (!problem_.empty()) {
    problem_.clear();
    owner_.on_store(problem_);
  }
  if (verdict.needs_new_epoch) {
    ++epoch_;
    renew();
    owner_.on_new_epoch(epoch_, verdict.may_be_given_up);
  }
  for (const std::uint64_t node : verdict.dead) owner_.on_dead(node);
  for (const std::uint64_t node : verdict.missing) owner_.ask_whether_alive(node);
  for (const std::uint64_t origin : parse_origins(reply.elements[3])) {
    if (known.count(node_of(origin)) != 0) owner_.ask_whether_alive(node_of(origin));
  }
  for (const std::uint64_t node : verdict.vanished) owner_.on_vanished(node);
}

}  // namespace voicechan::redis

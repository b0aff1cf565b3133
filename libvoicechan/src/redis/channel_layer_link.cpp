#include "redis/channel_layer_link.hpp"

#include <utility>

namespace voicechan::redis {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kCheckEach{1000};
// What waits longer is worth nothing to those who talk.
constexpr milliseconds kAnswerWithin{1000};
constexpr milliseconds kGivenUpAfter{5000};
// Some seconds of what a busy server says, and little enough to be kept in memory.
constexpr std::size_t kMaxWaitingBytes = std::size_t{8} << 20;
constexpr RedisReplyLimits kReplyLimits{std::size_t{32} << 20, 1024};

}  // namespace

ChannelLayerLink::Publisher::Publisher(ChannelLayerLink& owner, asio::io_context& io,
                                       const RedisUrl& url,
                                       const std::shared_ptr<asio::ssl::context>& tls)
    : layer(owner), link(io, url, tls, kReplyLimits, *this) {}

ChannelLayerLink::Subscriber::Subscriber(ChannelLayerLink& owner, asio::io_context& io,
                                         const RedisUrl& url,
                                         const std::shared_ptr<asio::ssl::context>& tls)
    : layer(owner), link(io, url, tls, kReplyLimits, *this) {}

ChannelLayerLink::ChannelLayerLink(asio::io_context& io, const RedisUrl& url,
                                   const std::shared_ptr<asio::ssl::context>& tls, Owner& owner)
    : owner_(owner), publisher_(*this, io, url, tls), listener_(*this, io, url, tls), timer_(io) {}

void ChannelLayerLink::start() {
  listener_.link.start();
  publisher_.link.start();
  schedule_check();
}

void ChannelLayerLink::want(const std::string& channel, bool is_wanted) {
  channels_.want(channel, is_wanted);
  send_due(channels_, listener_.link);
}

bool ChannelLayerLink::can_publish() const {
  if (!publisher_.link.is_up()) return false;
  return unanswered_.empty() || Clock::now() - unanswered_.front() < kAnswerWithin;
}

bool ChannelLayerLink::publish(std::string_view channel, std::string_view bytes) {
  if (!can_publish() || publisher_.link.waiting_bytes() + bytes.size() > kMaxWaitingBytes) {
    return false;
  }
  publisher_.link.send({"PUBLISH", channel, bytes});
  unanswered_.push_back(Clock::now());
  return true;
}

void ChannelLayerLink::handle_publisher_down(const std::string& reason) {
  unanswered_.clear();
  note(problems_.publisher, reason);
}

void ChannelLayerLink::handle_published(const RedisReply& reply) {
  if (unanswered_.empty()) return publisher_.link.reconnect("it answered what nobody asked");
  unanswered_.pop_front();
  const bool is_done = reply.type == RedisReply::Type::integer;
  if (!is_done) ++refused_;
  note(problems_.publish, is_done ? std::string() : "it refused PUBLISH: " + reply.text);
}

void ChannelLayerLink::handle_listener_up() {
  is_pinged_ = false;
  channels_.on_up();
  owner_.on_listener_up();
  send_due(channels_, listener_.link);
  note(problems_.listener, {});
}

void ChannelLayerLink::handle_listener_down(const std::string& reason) {
  channels_.on_down();
  note(problems_.listener, reason);
  owner_.on_listener_down();
}

void ChannelLayerLink::handle_push(RedisReply&& reply) {
  is_pinged_ = false;
  if (reply.type == RedisReply::Type::status) return;  // to PING, while nothing is subscribed
  if (reply.is_error()) {
    note(problems_.subscribe, "it refused SUBSCRIBE: " + reply.text);
    if (!channels_.refuse()) listener_.link.reconnect("it answered what nobody asked");
    return;
  }
  auto& parts = reply.elements;
  if (parts.size() == 2 && parts[0].text == "pong") return;
  if (parts.size() != 3 || parts[1].type != RedisReply::Type::string) {
    return listener_.link.reconnect("it told a subscriber what none is told");
  }
  if (parts[0].text == "message") return owner_.on_message(parts[1].text, parts[2].text);
  const bool is_subscribe = parts[0].text == "subscribe";
  if (!channels_.acknowledge(is_subscribe, parts[1].text)) {
    return listener_.link.reconnect("it acknowledged what nobody asked");
  }
  send_due(channels_, listener_.link);
  if (is_subscribe) note(problems_.subscribe, {});
  if (is_subscribed(parts[1].text)) owner_.on_subscribed(parts[1].text);
}

void ChannelLayerLink::schedule_check() {
  timer_.expires_after(kCheckEach);
  timer_.async_wait([this](const asio::error_code& error) {
    if (error) return;
    check();
    schedule_check();
  });
}

void ChannelLayerLink::check() {
  const auto now = Clock::now();
  channels_.retry_refused();
  send_due(channels_, listener_.link);
  if (!unanswered_.empty() && now - unanswered_.front() >= kGivenUpAfter) {
    publisher_.link.reconnect("it does not answer");
  }
  if (!listener_.link.is_up()) return;
  if (!is_pinged_) {
    is_pinged_ = true;
    pinged_ = now;
    listener_.link.send({"PING"});
  } else if (now - pinged_ >= kGivenUpAfter) {
    listener_.link.reconnect("it does not answer");
  }
}

void ChannelLayerLink::note(std::string& place, const std::string& problem) {
  if (place == problem) return;
  place = problem;
  for (const auto* each :
       {&problems_.publisher, &problems_.listener, &problems_.publish, &problems_.subscribe}) {
    if (!each->empty()) return owner_.on_problem(*each);
  }
  owner_.on_problem({});
}

}  // namespace voicechan::redis

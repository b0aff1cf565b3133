#include "redis/redis_link.hpp"

#include <random>
#include <system_error>
#include <utility>

namespace voicechan::redis {
namespace {

using std::chrono::steady_clock;

// From the first packet to the answer to the first PING. A frozen server's kernel still connects.
constexpr std::chrono::milliseconds kConnectTimeout{1000};
// A connection that was up for less has not earned a first try without delay.
constexpr std::chrono::milliseconds kProvenAfter{1000};

}  // namespace

RedisLink::RedisLink(asio::io_context& io, const RedisUrl& url,
                     std::shared_ptr<asio::ssl::context> tls, const RedisReplyLimits& limits,
                     Listener& listener)
    : io_(io),
      url_(url),
      tls_(std::move(tls)),
      limits_(limits),
      listener_(listener),
      timer_(io),
      backoff_(std::random_device()()) {}

RedisLink::~RedisLink() {
  if (connection_) connection_->close();
}

void RedisLink::start() { connect(); }

void RedisLink::send(std::initializer_list<std::string_view> arguments) {
  append_command(connection_->out(), arguments);
  connection_->flush();
}

void RedisLink::reconnect(const std::string& reason) {
  if (state_ == State::idle) return;
  connection_->close();
  on_closed(reason);
}

void RedisLink::connect() {
  state_ = State::connecting;
  connection_ = RedisConnection::open(io_, url_, tls_, limits_, *this);
  timer_.expires_after(kConnectTimeout);
  timer_.async_wait([this, alive = std::weak_ptr<char>(alive_)](const std::error_code& cancelled) {
    if (!cancelled && !alive.expired() && state_ != State::up) reconnect("no answer within 1 s");
  });
}

void RedisLink::on_connected() {
  state_ = State::introducing;
  auto& out = connection_->out();
  awaited_replies_ = append_introduction(out, url_) + 2;
  append_nature_question(out);
  append_command(out, {"PING"});
  connection_->flush();
}

void RedisLink::on_reply(RedisReply&& reply) {
  if (state_ == State::up) {
    listener_.on_reply(std::move(reply));
  } else if (awaited_replies_ == 2) {
    --awaited_replies_;
    const std::string objection = listener_.on_nature(nature_of(reply));
    if (!objection.empty()) reconnect(objection);
  } else if (reply.is_error()) {
    reconnect("it refused us: " + refusal_of(reply));
  } else if (--awaited_replies_ == 0) {
    timer_.cancel();
    state_ = State::up;
    up_since_ = steady_clock::now();
    listener_.on_up();
  }
}

void RedisLink::on_closed(const std::string& reason) {
  if (state_ == State::up && steady_clock::now() - up_since_ >= kProvenAfter) backoff_.reset();
  state_ = State::idle;
  timer_.expires_after(backoff_.next());
  timer_.async_wait([this, alive = std::weak_ptr<char>(alive_)](const std::error_code& cancelled) {
    if (!cancelled && !alive.expired()) connect();
  });
  listener_.on_down(reason);
}

void send_due(TopicReconciler& topics, RedisLink& link) {
  if (!link.is_up()) return;
  while (const auto* command = topics.next()) {
    std::vector<std::string_view> arguments{command->is_subscribe ? "SUBSCRIBE" : "UNSUBSCRIBE"};
    arguments.insert(arguments.end(), command->topics.begin(), command->topics.end());
    append_command(link.out(), arguments);
    link.flush();
  }
}

}  // namespace voicechan::redis

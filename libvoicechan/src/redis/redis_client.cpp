#include "redis/redis_client.hpp"

#include <asio/post.hpp>
#include <exception>
#include <utility>

namespace voicechan::redis {
namespace {

using asio::ip::tcp;

/// While the server is known to be away, a call waits for this part of the timeout: whoever serves
/// many requests must not have all of its threads wait.
constexpr int kPatienceDivisor = 10;

}  // namespace

RedisClient::RedisClient(Options options) : options_(std::move(options)) {
  thread_ = std::thread([this] { run_loop(); });
}

RedisClient::~RedisClient() {
  asio::post(io_, [this] {
    if (stream_) stream_->close();
    io_.stop();
  });
  thread_.join();
}

std::optional<RedisReply> RedisClient::call(std::initializer_list<std::string_view> arguments) {
  std::string command;
  append_command(command, arguments);
  return call_command(std::move(command));
}

std::optional<RedisReply> RedisClient::call_command(std::string command) {
  const auto now = std::chrono::steady_clock::now();
  const auto deadline = now + options_.timeout;
  const auto call = std::make_shared<Call>();
  call->command = std::move(command);

  const MutexLock lock(mutex_);
  const auto patience = is_away_ ? options_.timeout / kPatienceDivisor : options_.timeout;
  if (submitted_.empty()) asio::post(io_, [this] { take_calls(); });
  submitted_.push_back(call);
  while (!call->has_ended) {
    const auto until = call->is_sent ? deadline : now + patience;
    if (call->ended.wait_until(mutex_, until) || call->has_ended) continue;
    if (call->is_sent && std::chrono::steady_clock::now() < deadline) continue;
    call->has_ended = true;
    asio::post(io_, [this, call] { give_up(call); });
  }
  return std::move(call->reply);
}

std::optional<RedisReply> RedisClient::run(const Script& script,
                                           std::initializer_list<std::string_view> keys,
                                           std::initializer_list<std::string_view> arguments) {
  const auto make = [&](std::string_view verb, std::string_view what) {
    std::string command;
    const std::string key_count = std::to_string(keys.size());
    std::vector<std::string_view> all{verb, what, key_count};
    all.insert(all.end(), keys);
    all.insert(all.end(), arguments);
    append_command(command, all);
    return command;
  };
  auto reply = call_command(make("EVALSHA", script.sha1()));
  const bool is_unknown = reply && reply->is_error() && reply->text.rfind("NOSCRIPT", 0) == 0;
  return is_unknown ? call_command(make("EVAL", script.text())) : reply;
}

void RedisClient::reconnect() {
  asio::post(io_, [this] {
    if (state_ == State::open) lose("the connection was given up", false);
  });
}

std::string RedisClient::last_problem() const {
  const MutexLock lock(mutex_);
  return last_problem_;
}

void RedisClient::run_loop() {
  for (;;) {
    try {
      io_.run();
      return;
    } catch (const std::exception& error) {
      lose(error.what(), true);
    }
  }
}

void RedisClient::take_calls() {
  std::vector<CallPointer> calls;
  {
    const MutexLock lock(mutex_);
    calls.swap(submitted_);
    const bool is_open = state_ == State::open;
    for (const auto& call : calls) call->is_sent = is_open && !call->has_ended;
  }
  if (state_ != State::open) {
    waiting_.insert(waiting_.end(), calls.begin(), calls.end());
    if (state_ == State::closed) open();
    return;
  }
  queue(calls);
}

void RedisClient::queue(const std::vector<CallPointer>& calls) {
  for (const auto& call : calls) {
    if (!call->is_sent) continue;  // its thread has given up
    unsent_ += call->command;
    unanswered_.push_back(call);
  }
  send();
}

void RedisClient::give_up(const CallPointer& call) {
  for (const auto& other : unanswered_) {
    if (other != call) continue;
    // What it asked has to be answered before anything else on this connection.
    lose("no answer within " + std::to_string(options_.timeout.count()) + " ms", true);
    return;
  }
}

void RedisClient::open() {
  const auto generation = ++generation_;
  state_ = State::opening;
  stream_ = std::make_shared<RedisStream>(io_, options_.tls.get());
  reader_ = std::make_unique<RedisReplyReader>();
  opening_deadline_.expires_after(options_.timeout);
  opening_deadline_.async_wait([this, generation](std::error_code error) {
    if (error || generation != generation_) return;
    lose("no answer within " + std::to_string(options_.timeout.count()) + " ms", true);
  });
  const auto& url = options_.url;
  resolver_.async_resolve(
      url.host, std::to_string(url.port),
      [this, generation](std::error_code error, const tcp::resolver::results_type& addresses) {
        if (generation != generation_) return;
        if (error) return lose("the host cannot be found: " + error.message(), true);
        const auto greet_if_open = [this, generation, stream = stream_](std::error_code failure) {
          if (generation != generation_) return;
          if (failure) return lose(failure.message(), true);
          greet();
        };
        stream_->async_connect(addresses, [this, generation, stream = stream_,
                                           greet_if_open](std::error_code failure) {
          if (failure || generation != generation_) return greet_if_open(failure);
          stream->async_handshake(options_.url.host, greet_if_open);
        });
      });
}

void RedisClient::greet() {
  unsent_.clear();
  sending_.clear();
  greeting_replies_ = append_introduction(unsent_, options_.url) + 1;
  append_nature_question(unsent_);
  if (!options_.greeting.empty()) {
    append_command(unsent_, {options_.greeting.begin(), options_.greeting.end()});
    ++greeting_replies_;
  }
  receive();
  send();
}

void RedisClient::send() {
  if (!sending_.empty() || unsent_.empty()) return;
  sending_.swap(unsent_);
  stream_->async_write(asio::buffer(sending_), [this, generation = generation_, stream = stream_](
                                                   std::error_code error, std::size_t) {
    if (generation != generation_) return;
    if (error) return lose(error.message(), state_ == State::opening);
    sending_.clear();
    send();
  });
}

void RedisClient::receive() {
  stream_->async_read_some(asio::buffer(received_), [this, generation = generation_,
                                                     stream = stream_](std::error_code error,
                                                                       std::size_t size) {
    if (generation != generation_) return;
    if (error) {
      const bool is_end = error == asio::error::eof;
      return lose(is_end ? "the connection was closed" : error.message(), state_ == State::opening);
    }
    reader_->feed(std::string_view(received_.data(), size));
    take_replies();
    if (generation == generation_) receive();
  });
}

void RedisClient::take_replies() {
  const auto generation = generation_;
  std::vector<std::pair<CallPointer, RedisReply>> answered;
  while (generation == generation_) {
    auto reply = reader_->next();
    if (!reply) break;
    if (state_ == State::opening) {
      take_greeting_reply(*reply);
    } else if (unanswered_.empty()) {
      lose("it said something that it was not asked", true);
    } else {
      answered.emplace_back(std::move(unanswered_.front()), *std::move(reply));
      unanswered_.pop_front();
    }
  }
  answer(answered);
  if (generation == generation_ && !reader_->error().empty()) lose(reader_->error(), true);
}

void RedisClient::take_greeting_reply(const RedisReply& reply) {
  const bool is_last = --greeting_replies_ == 0;
  const bool is_for_owner = is_last && !options_.greeting.empty();
  const bool is_nature = greeting_replies_ == (options_.greeting.empty() ? 0u : 1u);
  std::string problem = reply.is_error() && !is_nature ? refusal_of(reply) : std::string();
  if (is_nature && options_.check_nature) problem = options_.check_nature(nature_of(reply));
  if (is_for_owner && options_.check_greeting) problem = options_.check_greeting(reply);
  if (!problem.empty()) return lose(problem, true);
  if (is_last) welcome();
}

void RedisClient::welcome() {
  state_ = State::open;
  opening_deadline_.cancel();
  if (std::exchange(is_told_away_, false) && options_.on_change) options_.on_change({});
  std::vector<CallPointer> calls;
  calls.swap(waiting_);
  {
    const MutexLock lock(mutex_);
    is_away_ = false;
    for (const auto& call : calls) {
      call->is_sent = !call->has_ended;
      call->ended.notify_one();  // it may wait longer now
    }
  }
  queue(calls);
}

void RedisClient::lose(const std::string& reason, bool is_away) {
  ++generation_;
  state_ = State::closed;
  if (stream_) stream_->close();
  resolver_.cancel();
  opening_deadline_.cancel();
  unsent_.clear();
  std::vector<CallPointer> calls;
  calls.swap(waiting_);
  calls.insert(calls.end(), unanswered_.begin(), unanswered_.end());
  unanswered_.clear();
  {
    const MutexLock lock(mutex_);
    is_away_ = is_away;
    last_problem_ = reason;
    for (const auto& call : calls) {
      call->has_ended = true;
      call->ended.notify_one();
    }
  }
  if (is_away && !std::exchange(is_told_away_, true) && options_.on_change) {
    options_.on_change(reason);
  }
}

void RedisClient::answer(std::vector<std::pair<CallPointer, RedisReply>>& replies) {
  if (replies.empty()) return;
  const MutexLock lock(mutex_);
  for (auto& [call, reply] : replies) {
    if (std::exchange(call->has_ended, true)) continue;
    call->reply = std::move(reply);
    call->ended.notify_one();
  }
}

}  // namespace voicechan::redis

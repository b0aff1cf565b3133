#include "redis/redis_store_link.hpp"

#include <exception>
#include <utility>
#include <variant>

#include "redis/redis_tls.hpp"
#include "redis/tell_log.hpp"

namespace voicechan::redis {
namespace {

/// What Redis' errors mean to the callers of a store. Only the first word is meant for programs.
Errc to_errc(std::string_view text) noexcept {
  const std::string_view word = text.substr(0, text.find(' '));
  // Somebody else's keys. Before Redis 7 a script's error begins with other words.
  if (text.find("WRONGTYPE") != std::string_view::npos) return Errc::store_corrupt;
  if (word == "BUSY") return Errc::store_locked;
  return Errc::store_unavailable;
}

/// Of a script that answers with the wire code of a refusal.
std::error_code to_refusal(std::string_view code) noexcept {
  for (const Errc errc : {Errc::quota_exceeded, Errc::unknown_channel, Errc::unknown_user,
                          Errc::store_locked, Errc::user_exists}) {
    if (code == wire_code(errc)) return errc;
  }
  return Errc::store_corrupt;
}

/// "name:value" of what INFO tells.
std::string value_in_info(std::string_view info, std::string_view name) {
  const std::string key = '\n' + std::string(name) + ':';
  const std::size_t at = info.find(key);
  if (at == std::string_view::npos) return {};
  info.remove_prefix(at + key.size());
  return std::string(info.substr(0, info.find_first_of("\r\n")));
}

std::string value_in_config(const RedisReply& reply, std::string_view name) {
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    if (reply.elements[i].text == name) return reply.elements[i + 1].text;
  }
  return {};
}

bool is_meta(const RedisReply& reply) noexcept {
  return reply.type == RedisReply::Type::array && reply.elements.size() == 3;
}

}  // namespace

std::variant<StoreServer, std::string> find_store(const RedisStoreOptions& options) {
  auto parsed = parse_redis_url(options.url);
  if (auto* problem = std::get_if<std::string>(&parsed)) return std::move(*problem);
  StoreServer server{std::get<RedisUrl>(std::move(parsed)), nullptr};
  if (!options.password_file.empty()) {
    if (!server.url.password.empty() || !server.url.password_file.empty()) {
      return "there is a password in the URL and in a file";
    }
    server.url.password_file = options.password_file;
  }
  std::string problem = load_password(server.url);
  if (!problem.empty()) return problem;
  auto tls = make_tls_context(server.url);
  if (auto* why = std::get_if<std::string>(&tls)) return std::move(*why);
  server.tls = std::get<0>(std::move(tls));
  return server;
}

std::unique_ptr<StoreLink> StoreLink::open(RedisStoreOptions options, Failure& failure) {
  failure = {Errc::store_unavailable, {}};
  auto server = find_store(options);
  if (auto* problem = std::get_if<std::string>(&server)) {
    failure.reason = std::move(*problem);
    return nullptr;
  }
  auto& [url, tls] = std::get<StoreServer>(server);

  try {
    std::unique_ptr<StoreLink> link(new StoreLink(std::move(options)));
    link->display_ = url.display();
    RedisClient::Options client;
    client.url = url;
    client.tls = std::move(tls);
    client.timeout = link->options_.timeout;
    client.check_nature = [may_be_replica = link->options_.may_be_replica](RedisNature nature) {
      nature.is_replica = nature.is_replica && !may_be_replica;
      return objection_to_store(nature);
    };
    client.greeting = {"HMGET", std::string(key::kMeta), "format", "id", "import"};
    client.check_greeting = [&self = *link](const RedisReply& reply) {
      return self.check_greeting(reply);
    };
    client.on_change = [&self = *link](std::string_view reason) { self.tell(reason); };
    link->client_ = std::make_unique<RedisClient>(std::move(client));
    failure = {};
    return link;
  } catch (const std::exception& error) {
    failure.reason = url.display() + ": " + error.what();
    return nullptr;
  }
}

void StoreLink::bind(std::string store_id) {
  {
    const MutexLock lock(mutex_);
    store_id_ = std::move(store_id);
  }
  is_bound_ = true;
}

Result<RedisReply> StoreLink::ask(std::initializer_list<std::string_view> arguments) {
  return to_result(client_->call(arguments));
}

Result<RedisReply> StoreLink::ask_command(std::string command) {
  return to_result(client_->call_command(std::move(command)));
}

Result<RedisReply> StoreLink::run(const Script& script,
                                  std::initializer_list<std::string_view> keys,
                                  std::initializer_list<std::string_view> arguments) {
  auto answer = to_result(client_->run(script, keys, arguments));
  if (answer && answer->type == RedisReply::Type::status) return to_refusal(answer->text);
  return answer;
}

Result<RedisReply> StoreLink::to_result(std::optional<RedisReply> reply) {
  if (!reply) return is_other_store_ ? Errc::store_corrupt : Errc::store_unavailable;
  if (!reply->is_error()) return *std::move(reply);
  if (is_from_replica(*reply)) client_->reconnect();  // where it stays away until it is a master
  const MutexLock lock(mutex_);
  last_error_ = reply->text;
  return to_errc(reply->text);
}

Result<StoreLink::Meta> StoreLink::meta() {
  const auto answer = ask({"HMGET", key::kMeta, "format", "id", "import"});
  if (!answer) return answer.error();
  if (!is_meta(*answer)) return Errc::store_corrupt;
  const auto& fields = answer->elements;
  return Meta{fields[0].text, fields[1].text, fields[2].text};
}

std::error_code StoreLink::check_id(std::string_view store_id) {
  {
    const MutexLock lock(mutex_);
    if (store_id_.empty() || store_id == store_id_) return {};
  }
  client_->reconnect();  // whose greeting then fails until the store is back
  return Errc::store_corrupt;
}

std::string StoreLink::check_greeting(const RedisReply& reply) {
  const bool is_foreign = reply.is_error() && to_errc(reply.text) == Errc::store_corrupt;
  if (reply.is_error() && !is_foreign) return reply.text;
  if (!is_foreign && !is_meta(reply)) return "it does not answer as Redis does";
  const MutexLock lock(mutex_);
  if (store_id_.empty()) return {};  // it is being opened, and calls will say what is there
  const std::string store_id = is_foreign ? std::string() : reply.elements[1].text;
  is_other_store_ = store_id != store_id_;
  if (!is_other_store_) return {};
  return store_id.empty() ? "it has lost the store" : "it holds another store";
}

void StoreLink::tell(std::string_view reason) const {
  if (!is_bound_) return;
  const std::string store = "the store at " + display_;
  if (reason.empty()) {
    tell_log(options_.log, RedisLogLevel::info, store + " is back");
  } else {
    tell_log(options_.log, RedisLogLevel::warning, store + " is away: " + std::string(reason));
  }
}

std::vector<std::string> StoreLink::durability_warnings() {
  const auto append = ask({"CONFIG", "GET", "append*"});
  const auto memory = ask({"CONFIG", "GET", "maxmemory*"});
  std::string appendonly;
  std::string appendfsync;
  std::string policy;
  if (append && memory) {
    appendonly = value_in_config(*append, "appendonly");
    appendfsync = value_in_config(*append, "appendfsync");
    policy = value_in_config(*memory, "maxmemory-policy");
  } else if (const auto info = ask({"INFO"})) {
    const std::string is_on = value_in_info(info->text, "aof_enabled");
    if (!is_on.empty()) appendonly = is_on == "1" ? "yes" : "no";
    policy = value_in_info(info->text, "maxmemory_policy");
  }

  std::vector<std::string> warnings;
  const auto warn = [&](const std::string& text) { warnings.push_back(display_ + ": " + text); };
  if (appendonly.empty()) {
    warn(
        "it tells neither CONFIG GET nor INFO; without \"appendonly yes\" and \"appendfsync "
        "always\" acknowledged writes may be lost when it ends");
  } else if (appendonly != "yes") {
    warn(
        "appendonly is \"no\": all that was written since its last snapshot is lost when it ends; "
        "set \"appendonly yes\" and \"appendfsync always\"");
  } else if (appendfsync.empty()) {
    warn(
        "CONFIG GET is not allowed, so that nobody knows whether appendfsync is \"always\"; "
        "otherwise the last acknowledged writes are lost when the machine stops");
  } else if (appendfsync != "always") {
    const std::string span = appendfsync == "everysec" ? "second or two" : "half a minute";
    warn("appendfsync is \"" + appendfsync + "\": acknowledged writes of the last " + span +
         " are lost when the machine stops; set \"appendfsync always\"");
  }
  // Our keys never expire, so that policies which look at such that do spare them.
  if (policy.rfind("allkeys", 0) == 0) {
    warn("maxmemory-policy is \"" + policy +
         "\": Redis forgets users and channels when it has used up its memory; set \"noeviction\"");
  }
  return warnings;
}

StoreLink::Failure StoreLink::explain(std::error_code error, std::string reason) const {
  const std::string problem = client_->last_problem();
  const MutexLock lock(mutex_);
  if (reason.empty() && error == Errc::store_unavailable) {
    reason = last_error_.empty() ? problem : last_error_;
    // The call gave up a little before the connection did.
    if (reason.empty()) {
      reason = "no answer within " + std::to_string(options_.timeout.count()) + " ms";
    }
  }
  return {error, display_ + ": " + (reason.empty() ? error.message() : reason)};
}

}  // namespace voicechan::redis

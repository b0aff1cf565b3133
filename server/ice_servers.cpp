#include "ice_servers.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <boost/json.hpp>
#include <stdexcept>
#include <utility>
#include <variant>

#include "spdlog/spdlog.h"

namespace voicechan::server {
namespace {

namespace json = boost::json;

std::string base64(const unsigned char* bytes, std::size_t size) {
  std::string text(4 * ((size + 2) / 3) + 1, '\0');  // with the zero that OpenSSL writes
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes, static_cast<int>(size));
  text.pop_back();
  return text;
}

std::string sign(const std::string& secret, const std::string& username) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (HMAC(EVP_sha1(), secret.data(), static_cast<int>(secret.size()),
           reinterpret_cast<const unsigned char*>(username.data()), username.size(), digest.data(),
           &size) == nullptr) {
    throw std::runtime_error("HMAC-SHA1 is not available");
  }
  return base64(digest.data(), size);
}

std::variant<IceConfig, std::string> parse(const WatchedFile::Content& content) {
  if (!content.error.empty()) return content.error;
  return parse_ice_config(content.text);
}

}  // namespace

IceOffer make_ice_offer(const IceConfig& config, UserId user, WallTime now) {
  const auto end = std::chrono::floor<std::chrono::seconds>(now) + config.ttl;
  const std::string username =
      std::to_string(end.time_since_epoch().count()) + ':' + std::to_string(user.value);
  json::array servers;
  for (const IceServer& server : config.servers) {
    json::object object{{"urls", json::value_from(server.urls)}};
    if (!server.secret.empty()) {
      object["username"] = username;
      object["credential"] = sign(server.secret, username);
    } else if (!server.username.empty()) {
      object["username"] = server.username;
      object["credential"] = server.credential;
    }
    servers.push_back(std::move(object));
  }
  return {json::serialize(servers), end, config.ttl};
}

IceServers::IceServers(std::string path, const Clock& clock)
    : clock_(&clock), file_(std::move(path)) {
  auto config = parse(file_.read());
  if (const auto* reason = std::get_if<std::string>(&config)) {
    throw std::runtime_error("cannot use the ICE servers in " + file_.path() + ": " + *reason);
  }
  take(std::get<IceConfig>(std::move(config)));
}

void IceServers::reload_if_changed() {
  const auto content = file_.read_if_changed();
  if (!content) return;
  auto config = parse(*content);
  if (const auto* reason = std::get_if<std::string>(&config)) {
    return spdlog::warn("ICE servers stay as they were: {}: {}", file_.path(), *reason);
  }
  take(std::get<IceConfig>(std::move(config)));
  spdlog::info("ICE servers were read again from {}", file_.path());
}

IceOffer IceServers::make_offer(UserId user) const {
  std::shared_ptr<const IceConfig> config;
  {
    const MutexLock lock(mutex_);
    config = config_;
  }
  return make_ice_offer(*config, user, clock_->now());
}

void IceServers::take(IceConfig config) {
  auto shared = std::make_shared<const IceConfig>(std::move(config));
  const MutexLock lock(mutex_);
  config_ = std::move(shared);
}

}  // namespace voicechan::server

#include "jwk_file.hpp"

#include <stdexcept>
#include <utility>

#include "spdlog/spdlog.h"

namespace voicechan::server {

JwkFile::JwkFile(std::string path, std::vector<JwtAlgorithm> algorithms)
    : file_(std::move(path)), algorithms_(std::move(algorithms)) {
  auto keys = parse(file_.read());
  if (const auto* reason = std::get_if<std::string>(&keys)) {
    throw std::runtime_error("cannot use the keys in " + file_.path() + ": " + *reason);
  }
  take(std::get<JwkSet>(std::move(keys)));
}

void JwkFile::reload_if_changed() {
  const auto content = file_.read_if_changed();
  if (!content) return;
  auto keys = parse(*content);
  if (const auto* reason = std::get_if<std::string>(&keys)) {
    return spdlog::error("the keys of JWTs stay as they were: {}: {}", file_.path(), *reason);
  }
  take(std::get<JwkSet>(std::move(keys)));
}

std::shared_ptr<const JwkSet> JwkFile::keys() const {
  const MutexLock lock(mutex_);
  return keys_;
}

std::variant<JwkSet, std::string> JwkFile::parse(const WatchedFile::Content& content) const {
  if (!content.error.empty()) return content.error;
  return parse_jwk_set(content.text, algorithms_);
}

void JwkFile::take(JwkSet keys) {
  for (const std::string& reason : keys.skipped) {
    spdlog::warn("a key in {} is not used: {}", file_.path(), reason);
  }
  spdlog::info("{} keys for JWTs from {}", keys.keys.size(), file_.path());
  auto shared = std::make_shared<const JwkSet>(std::move(keys));
  const MutexLock lock(mutex_);
  keys_ = std::move(shared);
}

}  // namespace voicechan::server

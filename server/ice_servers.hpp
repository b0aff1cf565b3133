#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "ice_config.hpp"
#include "voicechan/clock.hpp"
#include "voicechan/ice_offer.hpp"
#include "voicechan/model.hpp"
#include "voicechan/mutex.hpp"
#include "watched_file.hpp"

namespace voicechan::server {

/// Credentials by a shared secret are as TURN servers know them (`use-auth-secret` of coturn): the
/// username is "<end in Unix seconds>:<user id>", the credential its HMAC-SHA1 in base64. Pure.
/// Throws std::runtime_error if OpenSSL does not compute that.
IceOffer make_ice_offer(const IceConfig& config, UserId user, WallTime now);

/// The STUN and TURN servers in a file, read again when the file changes. Thread-safe.
class IceServers {
 public:
  /// Reads the file. Throws std::runtime_error if that fails or there is a mistake in it. `clock`
  /// must outlive this.
  IceServers(std::string path, const Clock& clock);

  /// Takes the file if it is another than before. If that fails, all stays as it was, which is
  /// logged once per change of the file. One thread at a time. May block.
  void reload_if_changed() VOICECHAN_EXCLUDES(mutex_);

  /// For now. Does not block. Throws as `make_ice_offer`.
  IceOffer make_offer(UserId user) const VOICECHAN_EXCLUDES(mutex_);

 private:
  void take(IceConfig config) VOICECHAN_EXCLUDES(mutex_);

  const Clock* const clock_;
  WatchedFile file_;
  mutable Mutex mutex_;
  std::shared_ptr<const IceConfig> config_ VOICECHAN_GUARDED_BY(mutex_);
};

}  // namespace voicechan::server

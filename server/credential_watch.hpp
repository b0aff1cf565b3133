#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <thread>

#include "authenticator.hpp"
#include "ice_servers.hpp"
#include "voicechan/mutex.hpp"
#include "voicechan/store.hpp"

namespace voicechan::server {

/// A thread that notices within a quarter of a second what other processes have revoked in the
/// store, and within a second that the file with the keys of JWTs or that of ICE servers has
/// changed. It has a thread of its own because the blocking pool may be busy with a locked
/// database.
class CredentialWatch {
 public:
  /// Calls `on_revoked` on its thread when live credentials have been revoked; the others must
  /// outlive it. `ice_servers` may be null.
  CredentialWatch(Store& store, Authenticator& authenticator, IceServers* ice_servers,
                  std::function<void()> on_revoked);
  /// Ends the thread.
  ~CredentialWatch();
  CredentialWatch(const CredentialWatch&) = delete;
  CredentialWatch& operator=(const CredentialWatch&) = delete;

 private:
  void run() VOICECHAN_EXCLUDES(mutex_);
  void look() noexcept;
  void look_for_revocations();
  void look_for_files();

  Store* const store_;
  Authenticator* const authenticator_;
  IceServers* const ice_servers_;
  const std::function<void()> on_revoked_;
  std::optional<std::int64_t> checked_count_;  // of revocations, up to which all has been checked
  unsigned looks_ = 0;
  bool has_failed_ = false;  // has been logged
  Mutex mutex_;
  ConditionVariable wake_;
  bool is_stopping_ VOICECHAN_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace voicechan::server

#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "jwk_set.hpp"
#include "voicechan/mutex.hpp"

namespace voicechan::server {

/// The JWK Set in a file, read again when the file changes. One thread at a time, but for
/// `keys`.
class JwkFile {
 public:
  /// Reads the file. Throws std::runtime_error if that fails or there is no usable JWK Set in it.
  JwkFile(std::string path, std::vector<JwtAlgorithm> algorithms);

  /// Looks whether the file is another than before, and takes its keys if so. If they cannot be
  /// had, the old ones stay, which is logged once per change of the file. May block.
  void reload_if_changed();

  /// The keys at present. Never null.
  std::shared_ptr<const JwkSet> keys() const VOICECHAN_EXCLUDES(mutex_);

 private:
  /// What tells one state of a file from another; all zero if there is none.
  using State = std::tuple<dev_t, ino_t, off_t, std::int64_t, std::int64_t>;

  static State state_of(const struct stat& status) noexcept;
  std::variant<JwkSet, std::string> read();
  void take(JwkSet keys) VOICECHAN_EXCLUDES(mutex_);

  const std::string path_;
  const std::vector<JwtAlgorithm> algorithms_;
  State state_{};  // of the file when it was looked at last; used by one thread
  mutable Mutex mutex_;
  std::shared_ptr<const JwkSet> keys_ VOICECHAN_GUARDED_BY(mutex_);
};

}  // namespace voicechan::server

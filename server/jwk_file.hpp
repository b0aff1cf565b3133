#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "jwk_set.hpp"
#include "voicechan/mutex.hpp"
#include "watched_file.hpp"

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
  std::variant<JwkSet, std::string> parse(const WatchedFile::Content& content) const;
  void take(JwkSet keys) VOICECHAN_EXCLUDES(mutex_);

  WatchedFile file_;
  const std::vector<JwtAlgorithm> algorithms_;
  mutable Mutex mutex_;
  std::shared_ptr<const JwkSet> keys_ VOICECHAN_GUARDED_BY(mutex_);
};

}  // namespace voicechan::server

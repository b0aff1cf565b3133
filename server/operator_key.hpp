#pragma once

#include <string>
#include <string_view>

#include "voicechan/model.hpp"

namespace voicechan::server {

/// The key of who operates the server and is no user. Immutable.
class OperatorKey {
 public:
  /// Reads the file: one line of 32 to 256 visible ASCII characters. Throws std::runtime_error if
  /// that fails or there is something else in it.
  explicit OperatorKey(const std::string& path);

  /// Takes as long wherever the two differ.
  bool matches(std::string_view key) const;

 private:
  KeyDigest digest_;
};

/// The key in such a file; throws as `OperatorKey`.
std::string read_operator_key(const std::string& path);

}  // namespace voicechan::server

#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "jwt_key.hpp"

namespace voicechan::server {

/// The keys that may verify tokens. Immutable. Thread-safe.
struct JwkSet {
  std::vector<JwtKey> keys;
  /// Why others of the text are not among them, for the log: "key 2: its type …".
  std::vector<std::string> skipped;
};

/// Reads a JWK Set (RFC 7517, section 5), leaving out keys that cannot be used and those of
/// algorithms that are not wanted; or tells what is wrong with the whole of it: no JWK Set, more
/// than 100 keys, or keys of which none can be used. An empty set is one that trusts nobody.
std::variant<JwkSet, std::string> parse_jwk_set(std::string_view text,
                                                const std::vector<JwtAlgorithm>& algorithms);

}  // namespace voicechan::server

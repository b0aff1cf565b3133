#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace voicechan::server {

/// Decodes base64url without padding as RFC 7515 wants it: nothing for a foreign character, for an
/// impossible length, and for trailing bits that are not zero, so that each byte string has one
/// form.
std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace voicechan::server

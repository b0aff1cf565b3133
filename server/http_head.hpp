#pragma once

#include "http_message.hpp"

// What HTTP demands of a request's head beyond its syntax (RFC 9110, RFC 9112).

namespace voicechan::server {

/// Why a request is refused; the detail is our own text.
struct HttpFailure {
  unsigned status = 0;  // 0: none
  const char* detail = "";

  explicit operator bool() const noexcept { return status != 0; }
};

inline constexpr HttpFailure kBadTarget{400, "The request target is not valid."};
inline constexpr HttpFailure kBadLength{
    400, "The length of the body is given in a wrong or ambiguous way."};

/// Checks Host, the body's framing, the target and Expect, brings the target to origin-form, and
/// fills in `has_body_length` and `keep_alive`.
HttpFailure complete_head(HttpRequest& request);

}  // namespace voicechan::server

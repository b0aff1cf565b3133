#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace voicechan::server {

using HttpFields = std::vector<std::pair<std::string, std::string>>;

/// One request, checked: names are lower case, values trimmed, the target is in origin-form (or
/// `*`).
struct HttpRequest {
  std::string method;
  std::string target;
  HttpFields fields;
  std::string body;
  /// A Content-Length or a chunked body was announced (maybe of length 0).
  bool has_body_length = false;
  bool is_http_1_0 = false;
  bool keep_alive = false;

  /// The value of a field; several lines of one name are joined by ", ". Empty if there is none.
  std::string field(std::string_view lower_case_name) const;
  bool has_field(std::string_view lower_case_name) const;
};

struct HttpResponse {
  unsigned status = 200;
  /// Without Content-Length, Date and Connection, which `serialize` writes. It also adds what all
  /// responses of the API have, unless it is among these: Content-Type, Cache-Control,
  /// Content-Security-Policy.
  HttpFields fields;
  /// JSON text, unless `fields` has another Content-Type.
  std::string body;
};

/// The bytes of a response. `date` is an IMF-fixdate. A HEAD request's response has all fields of
/// the GET's and no body. `keep_alive` false adds "Connection: close"; an `Upgrade` among the
/// fields adds the "upgrade" token that RFC 9110 7.8 asks for. Statuses 1xx, 204 and 304
/// get neither body nor Content-Length (RFC 9110 8.6). A field whose name is no token is left out,
/// and control characters in a value become spaces.
std::string serialize(const HttpResponse& response, bool is_http_1_0, bool keep_alive, bool is_head,
                      std::string_view date);

/// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string format_http_date(std::int64_t unix_seconds);

}  // namespace voicechan::server

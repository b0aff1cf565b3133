#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace voicechan::server {

/// Bounds of one request; what passes them is refused with the status named.
struct HttpLimits {
  std::size_t max_target_bytes = 8 * 1024;   // 414
  std::size_t max_header_bytes = 16 * 1024;  // 431, all fields together
  std::size_t max_header_count = 100;        // 431
  std::size_t max_body_bytes = 1024 * 1024;  // 413
};

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
  /// Without Content-Length, Content-Type, Date and Connection, which `serialize` writes.
  HttpFields fields;
  /// JSON text.
  std::string body;
};

/// Reads HTTP/1.1 requests from a stream of bytes, by Boost.Beast's parser; owns no socket. After
/// `failed` the connection can only answer and close. Between requests it holds no parser and no
/// buffer. One thread at a time.
class HttpCodec {
 public:
  enum class Status {
    need_more,      ///< all input taken, no complete request yet
    send_continue,  ///< the client waits for "100 Continue"; answer so, then go on
    request,        ///< `take_request` has one; the rest of the input belongs to what follows
    failed,         ///< `error_status` and `error_detail` say how to answer
  };

  explicit HttpCodec(const HttpLimits& limits);
  ~HttpCodec();
  HttpCodec(HttpCodec&&) noexcept;
  HttpCodec& operator=(HttpCodec&&) noexcept;

  /// Reads from `input` and removes what it took. How the bytes are split over calls makes no
  /// difference, and the time spent is linear in their number. After `Status::request` nothing is
  /// taken until `take_request` is called.
  Status consume(std::string_view& input);

  /// The request that `Status::request` announced; the codec is ready for the next one.
  HttpRequest take_request();

  /// True between two requests: nothing of a next one has arrived.
  bool is_idle() const noexcept;
  /// True when the head of a request is complete and its body is being read.
  bool is_reading_body() const noexcept;

  /// After `failed`: the status to answer with, and a sentence that holds no byte from the network.
  unsigned error_status() const noexcept;
  const std::string& error_detail() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The bytes of a response. `date` is an IMF-fixdate. A HEAD request's response has all fields of
/// the GET's and no body. `keep_alive` false adds "Connection: close"; an `Upgrade` among the
/// fields adds the "upgrade" token that RFC 9110 7.8 asks for. Statuses 1xx and 204 get neither
/// body nor Content-Length (RFC 9110 8.6). A field whose name is no token is left out, and control
/// characters in a value become spaces.
std::string serialize(const HttpResponse& response, bool is_http_1_0, bool keep_alive, bool is_head,
                      std::string_view date);

/// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string format_http_date(std::int64_t unix_seconds);

}  // namespace voicechan::server

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "http_message.hpp"

namespace voicechan::server {

/// Bounds of one request; what passes them is refused with the status named.
struct HttpLimits {
  std::size_t max_target_bytes = 8 * 1024;   // 414
  std::size_t max_header_bytes = 16 * 1024;  // 431, all fields together
  std::size_t max_header_count = 100;        // 431
  std::size_t max_body_bytes = 1024 * 1024;  // 413
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

  /// Memory held for a request that is not complete.
  std::size_t held_bytes() const noexcept;

  /// The request that is being read, or that failed, is a HEAD: its response has no content.
  bool is_head_request() const noexcept;

  /// After `failed`: the status to answer with, and a sentence that holds no byte from the network.
  unsigned error_status() const noexcept;
  const std::string& error_detail() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace voicechan::server

#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http_codec.hpp"

namespace voicechan::server {

/// What came of a stream of bytes.
struct HttpOutcome {
  std::vector<HttpRequest> requests;
  unsigned error = 0;
  std::string detail;
  bool is_head = false;
  std::string unread;
  bool is_idle = false;
};

/// Feeds a codec pieces of the sizes that `next_size` names. Asks nothing about "100 Continue",
/// which depends on what has arrived.
inline HttpOutcome feed_http(std::string_view bytes, const HttpLimits& limits,
                             const std::function<std::size_t()>& next_size) {
  using Status = HttpCodec::Status;
  HttpOutcome outcome;
  HttpCodec codec(limits);
  std::string waiting;
  while (!bytes.empty() || !waiting.empty()) {
    const std::string_view piece = bytes.substr(0, next_size());
    bytes.remove_prefix(piece.size());
    waiting += piece;
    std::string_view input = waiting;
    Status status = codec.consume(input);
    while (status == Status::request || status == Status::send_continue) {
      if (status == Status::request) outcome.requests.push_back(codec.take_request());
      status = codec.consume(input);
    }
    waiting = input;
    if (status == Status::failed) {
      EXPECT_EQ(codec.consume(input), Status::failed);
      outcome.error = codec.error_status();
      outcome.detail = codec.error_detail();
      outcome.is_head = codec.is_head_request();
      break;
    }
    if (!waiting.empty()) {
      ADD_FAILURE() << "need_more with input left: " << waiting;
      break;
    }
  }
  outcome.unread = waiting;
  outcome.is_idle = codec.is_idle();
  return outcome;
}

inline void expect_same(const HttpOutcome& a, const HttpOutcome& b) {
  EXPECT_EQ(a.error, b.error);
  EXPECT_EQ(a.detail, b.detail);
  EXPECT_EQ(a.is_head, b.is_head);
  EXPECT_EQ(a.is_idle, b.is_idle);
  ASSERT_EQ(a.requests.size(), b.requests.size());
  for (std::size_t i = 0; i < a.requests.size(); ++i) {
    const HttpRequest& x = a.requests[i];
    const HttpRequest& y = b.requests[i];
    EXPECT_EQ(x.method, y.method);
    EXPECT_EQ(x.target, y.target);
    EXPECT_EQ(x.fields, y.fields);
    EXPECT_EQ(x.body, y.body);
    EXPECT_EQ(x.has_body_length, y.has_body_length);
    EXPECT_EQ(x.is_http_1_0, y.is_http_1_0);
    EXPECT_EQ(x.keep_alive, y.keep_alive);
  }
}

}  // namespace voicechan::server

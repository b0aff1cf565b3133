#include <algorithm>

#include "fuzz_input.hpp"
#include "header_tokens.hpp"
#include "http_codec_feed.hpp"

// The input is what a client sends. However it is split, the same requests come out, and what comes
// out is what the types promise.

namespace voicechan::server {
namespace {

// Small, so that short inputs reach them.
constexpr HttpLimits kLimits{64, 256, 8, 512};

void check_request(const HttpRequest& request) {
  EXPECT_TRUE(is_token(request.method));
  ASSERT_FALSE(request.target.empty());
  EXPECT_TRUE(request.target.front() == '/' || request.target == "*");
  EXPECT_TRUE(std::all_of(request.target.begin(), request.target.end(),
                          [](char c) { return c > ' ' && c <= '~'; }));
  EXPECT_LE(request.target.size(), kLimits.max_target_bytes);
  EXPECT_LE(request.fields.size(), kLimits.max_header_count);
  EXPECT_LE(request.body.size(), kLimits.max_body_bytes);
  EXPECT_TRUE(request.has_body_length || request.body.empty());
  std::size_t bytes = 0;
  for (const auto& [name, value] : request.fields) {
    bytes += name.size() + value.size();
    EXPECT_TRUE(is_token(name));
    EXPECT_TRUE(std::none_of(name.begin(), name.end(), [](char c) { return c != to_lower(c); }));
    EXPECT_EQ(trim_ows(value), value);
    EXPECT_TRUE(std::none_of(value.begin(), value.end(), is_control));
  }
  EXPECT_LE(bytes, kLimits.max_header_bytes);
}

}  // namespace
}  // namespace voicechan::server

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace voicechan::server;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const HttpOutcome whole = feed_http(input, kLimits, [] { return std::string::npos; });
  expect_same(whole, feed_http(input, kLimits, [] { return 1; }));
  expect_same(whole, feed_http(input, kLimits, voicechan::piece_sizes(input)));
  for (const HttpRequest& request : whole.requests) check_request(request);
  EXPECT_EQ(whole.detail.empty(), whole.error == 0);
  EXPECT_TRUE(whole.error == 0 || (whole.error >= 400 && whole.error < 600));
  return 0;
}

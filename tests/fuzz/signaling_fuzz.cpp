#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdint>
#include <string>

#include "signaling_message.hpp"

// The input is what a client sends on the signaling socket. What is taken for a message is JSON,
// and what is forwarded has the same members in the same order, with our "from" in front.

namespace voicechan {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 16;

bool has_surrogate_escape(std::string_view text) {
  return text.find("\\ud") != std::string_view::npos || text.find("\\uD") != std::string_view::npos;
}

void check(std::string_view text) {
  const auto message = parse_signaling_message(text, kMaxDepth);
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::error_code error;
  const json::value value = json::parse({text.data(), text.size()}, error, {}, options);
  // Half a surrogate pair is the one thing that Boost.JSON refuses and we take.
  if (error && has_surrogate_escape(text)) {
    if (message) EXPECT_TRUE(parse_signaling_message(compose_forwarded(*message, "me"), kMaxDepth));
    return;
  }
  ASSERT_EQ(message.has_value(), !error && value.is_object());
  if (!message) {
    EXPECT_EQ(message.error(), Errc::bad_message);
    return;
  }

  const std::string forwarded = compose_forwarded(*message, "me");
  const auto again = parse_signaling_message(forwarded, kMaxDepth);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->type, message->type);
  EXPECT_EQ(again->to, message->to);
  EXPECT_EQ(again->has_to, message->has_to);
  EXPECT_EQ(compose_forwarded(*again, "me"), forwarded) << "forwarding twice changes nothing more";

  // Of members with one name Boost.JSON keeps the last value at the first place; members with
  // different names keep their order in both.
  json::object expected{{"from", "me"}};
  for (const auto& member : value.get_object()) {
    if (member.key() != "from") expected[member.key()] = member.value();
  }
  const json::object got = json::parse(forwarded, {}, options).get_object();
  EXPECT_EQ(json::serialize(got), json::serialize(expected));
}

}  // namespace
}  // namespace voicechan

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  voicechan::check({reinterpret_cast<const char*>(data), size});
  return 0;
}

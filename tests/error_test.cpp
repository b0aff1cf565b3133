#include "voicechan/error.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>

namespace voicechan {
namespace {

constexpr std::array kAllCodes = {
    Errc::bad_message,    Errc::not_joined,        Errc::unknown_peer, Errc::peer_busy,
    Errc::too_large,      Errc::rate_limited,      Errc::room_full,    Errc::invalid_name,
    Errc::invalid_room,   Errc::unknown_channel,   Errc::unknown_user, Errc::user_exists,
    Errc::quota_exceeded, Errc::store_unavailable, Errc::store_locked, Errc::store_corrupt,
    Errc::store_too_new,  Errc::too_many_hubs,
};

TEST(ErrorTest, ListOfThisTestIsComplete) {
  for (std::size_t i = 0; i < kAllCodes.size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(kAllCodes[i]), i + 1);
  }
  EXPECT_EQ(wire_code(static_cast<Errc>(kAllCodes.size() + 1)), "unknown_error");
}

TEST(ErrorTest, EveryCodeHasItsOwnWireCode) {
  std::set<std::string_view> seen;
  for (const Errc code : kAllCodes) {
    EXPECT_NE(wire_code(code), "unknown_error");
    EXPECT_TRUE(seen.insert(wire_code(code)).second) << wire_code(code);
  }
}

TEST(ErrorTest, WireCodesAreSnakeCase) {
  for (const Errc code : kAllCodes) {
    for (const char c : wire_code(code)) EXPECT_TRUE((c >= 'a' && c <= 'z') || c == '_');
  }
}

TEST(ErrorTest, SignalingCodesAreThoseOfTheContract) {
  EXPECT_EQ(wire_code(Errc::bad_message), "bad_message");
  EXPECT_EQ(wire_code(Errc::not_joined), "not_joined");
  EXPECT_EQ(wire_code(Errc::unknown_peer), "unknown_peer");
  EXPECT_EQ(wire_code(Errc::peer_busy), "peer_busy");
  EXPECT_EQ(wire_code(Errc::too_large), "too_large");
  EXPECT_EQ(wire_code(Errc::rate_limited), "rate_limited");
}

TEST(ErrorTest, EveryCodeHasItsOwnSentence) {
  std::set<std::string> seen;
  for (const Errc code : kAllCodes) {
    const std::string sentence = make_error_code(code).message();
    EXPECT_NE(sentence.find(' '), std::string::npos) << sentence;
    EXPECT_NE(sentence, "unknown error");
    EXPECT_TRUE(seen.insert(sentence).second) << sentence;
  }
}

TEST(ErrorTest, EveryCodeHasAnHttpErrorStatus) {
  for (const Errc code : kAllCodes) {
    const std::set<int> sane = {400, 403, 404, 409, 413, 429, 503};
    EXPECT_EQ(sane.count(http_status(code)), 1u) << wire_code(code);
  }
}

TEST(ErrorTest, StatusTellsWhoseFaultItIs) {
  EXPECT_EQ(http_status(Errc::bad_message), 400);
  EXPECT_EQ(http_status(Errc::invalid_name), 400);
  EXPECT_EQ(http_status(Errc::unknown_channel), 404);
  EXPECT_EQ(http_status(Errc::user_exists), 409);
  EXPECT_EQ(http_status(Errc::quota_exceeded), 403);
  EXPECT_EQ(http_status(Errc::too_large), 413);
  EXPECT_EQ(http_status(Errc::room_full), 409);
  EXPECT_EQ(http_status(Errc::rate_limited), 429);
  EXPECT_EQ(http_status(Errc::store_unavailable), 503);
}

TEST(ErrorTest, CodeConvertsToAnErrorCodeOfOurCategory) {
  const std::error_code error = Errc::unknown_peer;
  EXPECT_TRUE(error);
  EXPECT_EQ(error, Errc::unknown_peer);
  EXPECT_NE(error, Errc::peer_busy);
  EXPECT_STREQ(error.category().name(), "voicechan");
}

TEST(ErrorTest, ForeignValuesDoNotPassForCodes) {
  EXPECT_EQ(error_category().message(0), "unknown error");
  EXPECT_EQ(error_category().message(-1), "unknown error");
  EXPECT_EQ(http_status(static_cast<Errc>(0)), 500);
}

}  // namespace
}  // namespace voicechan

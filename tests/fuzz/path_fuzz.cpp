#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "router.hpp"
#include "unicode.hpp"

// The input is a request target. A room name that is decoded from it is one, and names the same
// room however it is escaped.

namespace voicechan::server {
namespace {

std::string escape(std::string_view text) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    escaped += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return escaped;
}

void check_room(const RoomName& room) {
  const std::string_view name = room.str();
  EXPECT_TRUE(!name.empty() && name.size() <= 200);
  for (std::string_view rest = name; !rest.empty();) {
    const auto character = unicode::take_character(rest);
    ASSERT_TRUE(character.has_value());
    EXPECT_FALSE(*character == U'/' || unicode::is_control(*character));
  }
  for (const char* slash : {"", "/"}) {
    const auto again = route("/ws/voice/" + escape(name) + slash);
    ASSERT_TRUE(std::holds_alternative<Route>(again));
    EXPECT_EQ(std::get<Route>(again).room->str(), name);
  }
}

void check(std::string_view target) {
  const auto found = route(target);
  if (const auto* const decoded = std::get_if<Route>(&found)) {
    EXPECT_EQ(decoded->room.has_value(), decoded->endpoint == Endpoint::voice_socket);
    EXPECT_EQ(decoded->channel.value > 0, decoded->endpoint == Endpoint::channel ||
                                              decoded->endpoint == Endpoint::channel_members);
    if (decoded->room) check_room(*decoded->room);
    for (const auto& [name, value] : decoded->query) {
      EXPECT_EQ(decoded->parameter(name).has_value(), true);
      EXPECT_LE(name.size() + value.size(), target.size());
    }
  }
  const auto decoded = percent_decode(target);
  if (decoded) EXPECT_EQ(percent_decode(escape(*decoded)), decoded);
}

}  // namespace
}  // namespace voicechan::server

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  voicechan::server::check({reinterpret_cast<const char*>(data), size});
  return 0;
}

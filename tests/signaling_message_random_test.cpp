#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <random>
#include <string>

#include "signaling_message.hpp"

// Random JSON objects, forwarded, and compared with what Boost.JSON reads.

namespace voicechan {
namespace {

namespace json = boost::json;

/// Writes JSON in as many spellings as the grammar has.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  std::string object(int depth) {
    std::string out = "{";
    const std::size_t count = below(7);
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) out += ',';
      out += space() + key() + space() + ':' + space() + value(depth - 1) + space();
    }
    return out + space() + '}';
  }

  std::string message() { return space() + object(6) + space(); }

  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }

 private:
  std::string one_of(std::initializer_list<const char*> choices) {
    return *(choices.begin() + static_cast<std::ptrdiff_t>(below(choices.size())));
  }

  std::string space() {
    std::string out;
    while (below(4) == 0) out += one_of({" ", "\t", "\n", "\r"});
    return out;
  }

  std::string key() {
    if (below(2) == 0) {
      return one_of({R"("to")", R"("from")", R"("type")", R"("fr\u006fm")", R"("t\u006f")",
                     R"("From")", R"("")", R"("\u0074ype")"});
    }
    return string();
  }

  std::string string() {
    std::string out = "\"";
    const std::size_t count = below(10);
    for (std::size_t i = 0; i < count; ++i) {
      out += one_of({"a",       "{",      "}",       "[",       "]",
                     ",",       ":",      "'",       " ",       "\\\"",
                     "\\\\",    "\\/",    "\\b",     "\\f",     "\\n",
                     "\\r",     "\\t",    "\\u0000", "\\u00e9", "\\uD83C\\uDF99",
                     "і",       "€",      "🎙",    "\x7F",    "from",
                     "\\u0022", "\\u005c"});
    }
    return out + '"';
  }

  std::string number() {
    return one_of({"0", "-0", "1", "-17", "1.10", "1E5", "1e-7", "0.5e+3", "9223372036854775807",
                   "18446744073709551615", "12345678901234567890123", "-0.0"});
  }

  std::string value(int depth) {
    switch (below(depth > 0 ? 6 : 4)) {
      case 0:
        return string();
      case 1:
        return number();
      case 2:
        return one_of({"true", "false", "null"});
      case 3:
        return string();
      case 4:
        return object(depth);
      default: {
        std::string out = "[";
        const std::size_t count = below(5);
        for (std::size_t i = 0; i < count; ++i) {
          if (i > 0) out += ',';
          out += space() + value(depth - 1) + space();
        }
        return out + space() + ']';
      }
    }
  }

  std::mt19937_64 random_;
};

std::optional<std::string> string_member(const json::object& object, const char* name) {
  const json::value* const value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

TEST(SignalingMessageRandomTest, ForwardedObjectsAreWhatWasSentWithFromReplaced) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Generator generator(seed);
  for (int i = 0; i < 5'000; ++i) {
    const std::string text = generator.message();
    const auto message = parse_signaling_message(text, 64);
    ASSERT_TRUE(message) << text;
    json::object expected = json::parse(text).as_object();
    ASSERT_EQ(message->to, string_member(expected, "to")) << text;
    const json::value* to = expected.if_contains("to");
    ASSERT_EQ(message->has_to, to != nullptr && !to->is_null()) << text;
    ASSERT_EQ(message->type, string_member(expected, "type")) << text;
    expected["from"] = "me";
    const std::string forwarded = compose_forwarded(*message, "me");
    ASSERT_EQ(json::parse(forwarded), json::value(expected)) << text << "\n" << forwarded;
  }
}

TEST(SignalingMessageRandomTest, DamagedTextIsReadAsBoostJsonReadsIt) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Generator generator(seed);
  for (int i = 0; i < 15'000; ++i) {
    std::string text = generator.message();
    for (std::size_t damage = generator.below(3) + 1; damage > 0; --damage) {
      const std::size_t place = generator.below(text.size());
      switch (generator.below(3)) {
        case 0:
          text[place] = static_cast<char>(generator.below(256));
          break;
        case 1:
          text.erase(place, 1);
          break;
        default:
          text.insert(place, 1, "{}[]\",:\\ud"[generator.below(10)]);
      }
      if (text.empty()) text = " ";
    }
    json::error_code error;
    const json::value value = json::parse(text, error);
    const auto message = parse_signaling_message(text, 64);
    const bool has_surrogate =
        text.find("\\ud") != std::string::npos || text.find("\\uD") != std::string::npos;
    if (error && has_surrogate) continue;  // the one difference, see SignalingMessageTest
    ASSERT_EQ(message.has_value(), !error && value.is_object()) << text;
    if (message) (void)json::parse(compose_forwarded(*message, "me"));  // throws if it is no JSON
  }
}

}  // namespace
}  // namespace voicechan

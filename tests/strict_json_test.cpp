#include "strict_json.hpp"

#include <gtest/gtest.h>

#include <string>

namespace voicechan::server {
namespace {

TEST(StrictJsonTest, AnObjectIsTaken) {
  const auto object = parse_strict_object(R"( {"a": {"a": [{"a": 1}, {"a": 2}]}, "b": "ї"} )");
  ASSERT_TRUE(object);
  EXPECT_EQ(object->at("b").as_string(), "ї");
}

TEST(StrictJsonTest, AnythingElseIsRefused) {
  for (const char* text : {"", "[]", "1", "null", "\"a\"", "{", "{}{}", "{} x", "{\"a\":1,}",
                           "{a:1}", "{\"a\":\"\xff\"}", "// c\n{}"}) {
    EXPECT_FALSE(parse_strict_object(text)) << text;
  }
}

TEST(StrictJsonTest, AMemberThatComesTwiceIsRefusedAtAnyDepth) {
  for (const char* text :
       {R"({"a":1,"a":1})", R"({"a":1,"b":2,"a":3})", R"({"a":1,"\u0061":2})",
        R"({"x":{"a":1,"a":2}})", R"({"x":[{"a":1,"a":2}]})", R"({"":1,"":2})"}) {
    EXPECT_FALSE(parse_strict_object(text)) << text;
  }
}

TEST(StrictJsonTest, DeepNestingIsRefused) {
  EXPECT_FALSE(
      parse_strict_object(R"({"a":)" + std::string(100, '[') + std::string(100, ']') + '}'));
  EXPECT_FALSE(parse_strict_object(R"({"a":)" + std::string(100'000, '[')));
}

}  // namespace
}  // namespace voicechan::server

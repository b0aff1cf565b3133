#include "signaling_message.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>

namespace voicechan {
namespace {

constexpr std::size_t kDepth = 64;

bool is_message(std::string_view text, std::size_t max_depth = kDepth) {
  return parse_signaling_message(text, max_depth).has_value();
}

SignalingMessage parsed(std::string_view text) {
  const auto message = parse_signaling_message(text, kDepth);
  EXPECT_TRUE(message) << text;
  return message ? *message : SignalingMessage{};
}

/// What the receiver of `text` gets from the peer "me".
std::string forwarded(std::string_view text) { return compose_forwarded(parsed(text), "me"); }

std::string nested(std::size_t depth) {
  return R"({"a":)" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
}

TEST(SignalingMessageTest, TypeAndToAreRead) {
  const auto message = parsed(R"({"type":"offer","to":"abc"})");
  EXPECT_EQ(message.type, "offer");
  EXPECT_EQ(message.to, "abc");
  EXPECT_TRUE(message.has_to);
}

TEST(SignalingMessageTest, AbsentMembersAreAbsent) {
  const auto message = parsed("{}");
  EXPECT_FALSE(message.type);
  EXPECT_FALSE(message.to);
  EXPECT_FALSE(message.has_to);
}

TEST(SignalingMessageTest, ToOfAnotherKindIsThereButNoString) {
  for (const char* text : {R"({"to":5})", R"({"to":["a"]})", R"({"to":{}})"}) {
    const auto message = parsed(text);
    EXPECT_TRUE(message.has_to) << text;
    EXPECT_FALSE(message.to) << text;
  }
}

TEST(SignalingMessageTest, NullToCountsAsAbsent) {
  const auto message = parsed(R"({"type":"join","to":null})");
  EXPECT_FALSE(message.has_to);
  EXPECT_FALSE(message.to);
}

TEST(SignalingMessageTest, TypeOfAnotherKindIsNone) {
  EXPECT_FALSE(parsed(R"({"type":5})").type);
  EXPECT_FALSE(parsed(R"({"type":["join"]})").type);
}

TEST(SignalingMessageTest, EscapedKeysAreTheSameKeys) {
  const auto message = parsed(R"({"t\u006f":"abc","\u0074ype":"offer"})");
  EXPECT_EQ(message.to, "abc");
  EXPECT_EQ(message.type, "offer");
}

TEST(SignalingMessageTest, EscapesInValuesAreResolved) {
  const auto message = parsed(R"({"to":"\u0061\"\\\/\n\ud83c\udf99","type":"\u006aoin"})");
  EXPECT_EQ(message.to, "a\"\\/\n\xF0\x9F\x8E\x99");
  EXPECT_EQ(message.type, "join");
}

TEST(SignalingMessageTest, NulInAValueDoesNotEndIt) {
  EXPECT_EQ(parsed(R"({"to":"a\u0000b"})").to, std::string("a\0b", 3));
}

TEST(SignalingMessageTest, KeysAreCaseSensitiveAndWhole) {
  const auto message = parsed(R"({"To":"a","TO":"a","to ":"a"," to":"a","too":"a","":"a"})");
  EXPECT_FALSE(message.has_to);
}

TEST(SignalingMessageTest, MembersOfInnerObjectsDoNotCount) {
  const auto message = parsed(R"({"a":{"to":"x","type":"join"},"b":[{"to":"y"}]})");
  EXPECT_FALSE(message.has_to);
  EXPECT_FALSE(message.type);
}

TEST(SignalingMessageTest, StringsThatLookLikeMembersDoNotCount) {
  EXPECT_FALSE(parsed(R"({"a":"\",\"to\":\"x\"","b":"},{\"to\":1"})").has_to);
}

TEST(SignalingMessageTest, LastOfDuplicateKeysCounts) {
  EXPECT_EQ(parsed(R"({"to":"a","to":"b"})").to, "b");
  EXPECT_EQ(parsed(R"({"to":5,"t\u006f":"b"})").to, "b");
  EXPECT_FALSE(parsed(R"({"to":"a","to":5})").to);
  EXPECT_FALSE(parsed(R"({"type":"join","type":null})").type);
}

TEST(SignalingMessageTest, OtherJsonValuesAreRefused) {
  for (const char* text : {"[]", "\"a\"", "1", "true", "null", "[{}]", ""}) {
    EXPECT_FALSE(is_message(text)) << text;
  }
}

TEST(SignalingMessageTest, TextThatIsNoJsonIsRefused) {
  for (const char* text :
       {"{", "}", "{]", R"({"a"})", R"({"a":})", R"({"a":1,})", R"({,"a":1})", R"({"a" 1})",
        R"({"a":1 "b":2})", R"({a:1})", R"({'a':1})", R"({"a":'b'})", R"({"a":tru})",
        R"({"a":NaN})", R"({"a":Infinity})", R"({"a":undefined})", "   ", "hello"}) {
    EXPECT_FALSE(is_message(text)) << text;
  }
}

TEST(SignalingMessageTest, NumbersThatJsonDoesNotHaveAreRefused) {
  for (const char* number : {"01", "-", "+1", ".5", "1.", "1e", "1e+", "0x10", "-a", "1.2.3"}) {
    EXPECT_FALSE(is_message(R"({"a":)" + std::string(number) + "}")) << number;
  }
}

TEST(SignalingMessageTest, StringsThatJsonDoesNotHaveAreRefused) {
  for (const char* text : {"\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"\n\"",
                           "\"\x01\"", "\"\\ud800\\u\"", "\"\\ud800\\ud8\""}) {
    EXPECT_FALSE(is_message(R"({"a":)" + std::string(text) + "}")) << text;
  }
}

TEST(SignalingMessageTest, TrailingGarbageIsRefused) {
  for (const std::string tail : {"x", "{}", ",", "//", "}", "\v", "\xC2\xA0"}) {
    EXPECT_FALSE(is_message(R"({"a":1})" + tail)) << tail;
  }
  EXPECT_FALSE(is_message(std::string_view("{}\0", 3)));
}

TEST(SignalingMessageTest, CommentsAndByteOrderMarksAreRefused) {
  EXPECT_FALSE(is_message(R"({/**/"a":1})"));
  EXPECT_FALSE(is_message("{} // end"));
  EXPECT_FALSE(is_message("\xEF\xBB\xBF{}"));
}

TEST(SignalingMessageTest, IllFormedUtf8IsRefused) {
  for (const char* bytes : {"\xFF", "\x80", "\xC0\x80", "\xC3", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                            "\xE2\x82", "\xF0\x80\x80\x80"}) {
    EXPECT_FALSE(is_message(R"({"a":")" + std::string(bytes) + "\"}"));
    EXPECT_FALSE(is_message(R"({")" + std::string(bytes) + "\":1}"));
  }
}

TEST(SignalingMessageTest, WhiteSpaceIsAllowedEverywhere) {
  const auto message = parsed(" \t\r\n{ \"to\" \n:\t\"a\" , \"type\"\r:\r\"b\" } \n");
  EXPECT_EQ(message.to, "a");
  EXPECT_EQ(message.type, "b");
}

TEST(SignalingMessageTest, NestingIsBounded) {
  EXPECT_TRUE(is_message(nested(8), 8));
  EXPECT_FALSE(is_message(nested(9), 8));
  EXPECT_TRUE(is_message(nested(kDepth)));
  EXPECT_FALSE(is_message(nested(kDepth + 1)));
}

TEST(SignalingMessageTest, VeryDeepNestingIsRefusedWithoutHarm) {
  EXPECT_FALSE(is_message(nested(500'000)));
  EXPECT_FALSE(is_message(R"({"a":)" + std::string(1'000'000, '[')));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += R"({"a":)";
  EXPECT_FALSE(is_message(objects));
}

TEST(SignalingMessageTest, WidthIsNotBounded) {
  std::string text = R"({"to":"x")";
  for (int i = 0; i < 20'000; ++i) text += R"(,"k)" + std::to_string(i) + R"(":[{},[]])";
  EXPECT_TRUE(is_message(text + "}"));
}

// RFC 8259 allows it, JavaScript writes it for a string that was cut within an emoji, and the
// Django application passed it on; Boost.JSON refuses it.
TEST(SignalingMessageTest, HalfASurrogatePairIsForwardedUntouched) {
  for (const std::string text :
       {R"("\ud83c")", R"("\uDF99 tail")", R"("\ud83c\ud83c\udf99")", R"("\\ud800\ud800")",
        R"("\ud800\n")", R"("\udc00\ud800")", R"(["\uDBFF",{"\ud800":1}])"}) {
    EXPECT_EQ(forwarded(R"({"a":)" + text + "}"), R"({"from":"me","a":)" + text + "}");
  }
}

TEST(SignalingMessageTest, HalfASurrogatePairExcusesNoOtherFault) {
  for (const char* text : {R"({"a":"\ud800)", R"({"a":"\ud800",})", "{\"a\":\"\\ud800\xFF\"}",
                           R"({"a":"\ud800","b":"\x"})"}) {
    EXPECT_FALSE(is_message(text)) << text;
  }
}

TEST(SignalingMessageTest, ToWithHalfASurrogatePairIsUnusable) {
  const auto message = parsed(R"({"to":"\ud800"})");
  EXPECT_TRUE(message.has_to);
  EXPECT_FALSE(message.to);
}

TEST(SignalingMessageTest, FromIsAddedInFront) {
  EXPECT_EQ(forwarded(R"({"to":"x","type":"offer"})"), R"({"from":"me","to":"x","type":"offer"})");
}

TEST(SignalingMessageTest, EmptyObjectGetsOnlyFrom) {
  EXPECT_EQ(forwarded("{}"), R"({"from":"me"})");
  EXPECT_EQ(forwarded("{ \n }"), R"({"from":"me"})");
}

TEST(SignalingMessageTest, FromOfTheSenderIsReplaced) {
  EXPECT_EQ(forwarded(R"({"from":"liar","to":"x"})"), R"({"from":"me","to":"x"})");
  EXPECT_EQ(forwarded(R"({"to":"x","from":{"a":[1,2]}})"), R"({"from":"me","to":"x"})");
  EXPECT_EQ(forwarded(R"({"from":1})"), R"({"from":"me"})");
}

TEST(SignalingMessageTest, EveryFromIsReplacedHoweverItIsSpelled) {
  EXPECT_EQ(forwarded(R"({"from":1,"fr\u006fm":2,"a":3,"\u0066\u0072\u006F\u006D":4,"from":5})"),
            R"({"from":"me","a":3})");
}

TEST(SignalingMessageTest, FromInsideOtherMembersStays) {
  const std::string rest = R"("a":{"from":1},"b":"\"from\":2","From":3,"from ":4)";
  EXPECT_EQ(forwarded("{" + rest + "}"), R"({"from":"me",)" + rest + "}");
}

TEST(SignalingMessageTest, NumbersAreForwardedAsTheyAreWritten) {
  for (const char* number :
       {"1.10", "1E5", "1e+05", "12345678901234567890123", "-0", "-0.0", "0", "9223372036854775807",
        "18446744073709551615", "-9223372036854775809", "0.1000000000000000055511151231257827",
        "1e400", "1e-400", "3.14159265358979323846264338327950288"}) {
    const std::string member = R"("n":)" + std::string(number);
    EXPECT_EQ(forwarded("{" + member + "}"), R"({"from":"me",)" + member + "}");
  }
}

TEST(SignalingMessageTest, StringsAreForwardedAsTheyAreWritten) {
  for (const char* text : {R"("")", R"("{}[],:\"\\")", R"("\\")", R"("\\\\\"")",
                           R"("\u0041\/\b\f\n\r\t")", R"("Загальна 🎙")",
                           R"("\ud83c\udf99")", "\"\x7F\"", R"("\u0000")", R"("a,\"from\":1,b")"}) {
    const std::string member = R"("s":)" + std::string(text);
    EXPECT_EQ(forwarded("{" + member + "}"), R"({"from":"me",)" + member + "}");
  }
}

TEST(SignalingMessageTest, NestedValuesAreForwardedByteByByte) {
  const std::string member = "\"a\" : [ 1 , {\"b\" :\t[ ] , \"c\":{ } }, \"]\" ,null,true,false ]";
  EXPECT_EQ(forwarded("{ " + member + " }"), R"({"from":"me",)" + member + "}");
}

TEST(SignalingMessageTest, DuplicateAndEscapedKeysAreForwardedInOrder) {
  const std::string members = R"("a":1,"\u0061":2,"a":3,"":4,"\"":5)";
  EXPECT_EQ(forwarded("{" + members + "}"), R"({"from":"me",)" + members + "}");
}

TEST(SignalingMessageTest, ErrorReplyIsThatOfTheContract) {
  EXPECT_EQ(compose_error(Errc::unknown_peer, "nobody", "abc"),
            R"({"type":"error","code":"unknown_peer","detail":"nobody","to":"abc"})");
  EXPECT_EQ(compose_error(Errc::bad_message, "no", std::nullopt),
            R"({"type":"error","code":"bad_message","detail":"no"})");
}

TEST(SignalingMessageTest, ErrorReplyEscapesWhatItQuotes) {
  const std::string to("\"\\\n\0\xF0\x9F\x8E\x99", 8);
  const auto reply = boost::json::parse(compose_error(Errc::unknown_peer, "\"", to));
  EXPECT_EQ(std::string(reply.at("to").as_string()), to);
  EXPECT_EQ(reply.at("detail").as_string(), "\"");
}

}  // namespace
}  // namespace voicechan

#include "websocket_codec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <iostream>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "websocket_codec_feed.hpp"

namespace voicechan::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using namespace std::string_literals;

enum Op : std::uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing, kPong };
enum class Last { yes, no };

constexpr std::array<std::uint8_t, 4> kKey = {0x37, 0xfa, 0x21, 0x3d};

/// A masked header; `length_code` is the 7-bit length, followed by `length_bytes` of `length`.
std::string header(int first_byte, int length_code, std::uint64_t length, int length_bytes) {
  std::string bytes{static_cast<char>(first_byte), static_cast<char>(0x80 | length_code)};
  for (int i = length_bytes - 1; i >= 0; --i) bytes += static_cast<char>(length >> (8 * i) & 0xff);
  return bytes.append(kKey.begin(), kKey.end());
}

std::string header(int first_byte, std::uint64_t length) {
  if (length <= 125) return header(first_byte, static_cast<int>(length), 0, 0);
  if (length <= 0xffff) return header(first_byte, 126, length, 2);
  return header(first_byte, 127, length, 8);
}

std::string masked(std::string payload) {
  for (std::size_t i = 0; i < payload.size(); ++i) {
    payload[i] = static_cast<char>(payload[i] ^ kKey[i % 4]);
  }
  return payload;
}

std::string frame(Op op, const std::string& payload, Last last = Last::yes) {
  return header(op | (last == Last::yes ? 0x80 : 0), payload.size()) + masked(payload);
}

std::string close_payload(int code, const std::string& reason = {}) {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)} + reason;
}

using Events = WebSocketEvents;

/// Every rule is tried with the input whole and byte by byte.
class WebSocketCodecTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  Events feed(const std::string& bytes) {
    Events events;
    for (std::size_t i = 0; i < bytes.size(); i += GetParam()) {
      feed_into(codec, bytes.substr(i, GetParam()), events);
    }
    return events;
  }

  void allow_a_mebibyte() {
    limits.max_message_bytes = 1u << 20;
    codec = WebSocketCodec(limits, OversizePolicy::fail);
  }

  void discard_oversize() { codec = WebSocketCodec(limits, OversizePolicy::discard); }

  WebSocketLimits limits{1000, 8};
  WebSocketCodec codec{limits, OversizePolicy::fail};
};

INSTANTIATE_TEST_SUITE_P(Input, WebSocketCodecTest, ::testing::Values(std::string::npos / 2, 1),
                         [](const auto& chunk) {
                           return chunk.param == 1 ? "ByteByByte"s : "Whole"s;
                         });

TEST_P(WebSocketCodecTest, MaskedTextIsAMessage) {
  EXPECT_THAT(feed(frame(kText, "привіт")), ElementsAre("text:привіт"));
}

TEST_P(WebSocketCodecTest, BinaryNeedNotBeUtf8) {
  EXPECT_THAT(feed(frame(kBinary, "\xff\0\xc3"s)), ElementsAre("binary:\xff\0\xc3"s));
}

TEST_P(WebSocketCodecTest, EmptyMessagesArrive) {
  EXPECT_THAT(feed(frame(kText, "") + frame(kBinary, "")), ElementsAre("text:", "binary:"));
}

TEST_P(WebSocketCodecTest, EveryLengthFormIsRead) {
  allow_a_mebibyte();
  Events expected;
  std::string bytes;
  for (const std::size_t size : {125u, 126u, 127u, 32768u, 32769u, 65535u, 65536u, 100'003u}) {
    std::string payload(size, '\0');
    for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i * 31 >> 3);
    bytes += frame(kBinary, payload);
    expected.push_back("binary:" + payload);
  }
  EXPECT_TRUE(feed(bytes) == expected);  // not printed: 300 KB
}

TEST_P(WebSocketCodecTest, FragmentsMakeOneMessage) {
  EXPECT_THAT(feed(frame(kText, "one ", Last::no) + frame(kContinuation, "", Last::no) +
                   frame(kContinuation, "two") + frame(kText, "three")),
              ElementsAre("text:one two", "text:three"));
}

TEST_P(WebSocketCodecTest, ControlFramesBetweenFragmentsArriveFirst) {
  EXPECT_THAT(
      feed(frame(kText, "он", Last::no) + frame(kPing, "a") + frame(kContinuation, "", Last::no) +
           frame(kPong, "b") + frame(kContinuation, "де")),
      ElementsAre("ping:a", "pong:b", "text:онде"));
}

TEST_P(WebSocketCodecTest, ControlFramesMayCarry125Bytes) {
  const std::string payload(125, '\xff');
  EXPECT_THAT(feed(frame(kPing, payload)), ElementsAre("ping:" + payload));
}

TEST_P(WebSocketCodecTest, LongerControlFrameIs1002) {
  EXPECT_THAT(feed(frame(kPing, std::string(126, 'x'))), ElementsAre("failed:1002"));
}

TEST_P(WebSocketCodecTest, FragmentedControlFrameIs1002) {
  EXPECT_THAT(feed(frame(kPing, "x", Last::no)), ElementsAre("failed:1002"));
}

TEST_P(WebSocketCodecTest, AnyReservedBitIs1002) {
  for (const int bit : {0x10, 0x20, 0x40}) {
    codec = WebSocketCodec(limits, OversizePolicy::fail);
    EXPECT_THAT(feed(header(0x80 | bit | kText, 1) + masked("x")), ElementsAre("failed:1002"));
  }
}

TEST_P(WebSocketCodecTest, AnyReservedOpcodeIs1002) {
  for (const int op : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    codec = WebSocketCodec(limits, OversizePolicy::fail);
    EXPECT_THAT(feed(header(0x80 | op, 0)), ElementsAre("failed:1002")) << op;
  }
}

TEST_P(WebSocketCodecTest, UnmaskedFrameIs1002) {
  EXPECT_THAT(feed("\x81\x01x"), ElementsAre("failed:1002"));
}

// The packaged processor calls these an internal error (1011).
TEST_P(WebSocketCodecTest, NonMinimalLengthIs1002) {
  for (const auto& bytes : {header(0x82, 126, 125, 2), header(0x82, 127, 125, 8),
                            header(0x82, 127, 0xffff, 8), header(0x82, 126, 0, 2)}) {
    codec = WebSocketCodec(limits, OversizePolicy::fail);
    EXPECT_THAT(feed(bytes), ElementsAre("failed:1002"));
  }
}

// The packaged processor adds such a length to what it has, which wraps below the limit: 100 MB
// went into one message with a limit of 64 KB.
TEST_P(WebSocketCodecTest, LengthThatWrapsTheLimitIs1002) {
  EXPECT_THAT(feed(frame(kBinary, "0123456789", Last::no) +
                   header(0x00, 127, ~std::uint64_t{0} - 9, 8) + std::string(5000, 'x')),
              ElementsAre("failed:1002"));
}

TEST_P(WebSocketCodecTest, LargestLegalLengthIs1009AfterAFragment) {
  EXPECT_THAT(
      feed(frame(kBinary, "0123456789", Last::no) + header(0x00, 127, ~std::uint64_t{0} >> 1, 8)),
      ElementsAre("failed:1009"));
}

TEST_P(WebSocketCodecTest, ContinuationOfNothingIs1002) {
  EXPECT_THAT(feed(frame(kContinuation, "x")), ElementsAre("failed:1002"));
  codec = WebSocketCodec(limits, OversizePolicy::fail);
  EXPECT_THAT(feed(frame(kText, "a") + frame(kContinuation, "x")),
              ElementsAre("text:a", "failed:1002"));
}

TEST_P(WebSocketCodecTest, NewMessageInsideAFragmentedOneIs1002) {
  EXPECT_THAT(feed(frame(kText, "a", Last::no) + frame(kText, "b")), ElementsAre("failed:1002"));
}

TEST_P(WebSocketCodecTest, MessageExactlyAtTheLimitPasses) {
  const std::string payload(1000, 'x');
  EXPECT_THAT(feed(frame(kText, payload)), ElementsAre("text:" + payload));
}

TEST_P(WebSocketCodecTest, MessageOneAboveTheLimitIs1009BeforeItsPayload) {
  EXPECT_THAT(feed(header(0x81, 1001)), ElementsAre("failed:1009"));
}

TEST_P(WebSocketCodecTest, FragmentsExactlyAtTheLimitPass) {
  const std::string half(500, 'x');
  EXPECT_THAT(feed(frame(kText, half, Last::no) + frame(kContinuation, half, Last::no) +
                   frame(kContinuation, "")),
              ElementsAre("text:" + half + half));
}

TEST_P(WebSocketCodecTest, FragmentOneAboveTheLimitIs1009) {
  EXPECT_THAT(feed(frame(kText, std::string(500, 'x'), Last::no) + header(0x80, 501)),
              ElementsAre("failed:1009"));
}

TEST_P(WebSocketCodecTest, LimitIsThatOfEachMessage) {
  const std::string payload(600, 'x');
  EXPECT_THAT(feed(frame(kText, payload) + frame(kBinary, payload)),
              ElementsAre("text:" + payload, "binary:" + payload));
}

TEST_P(WebSocketCodecTest, OversizeMessageIsDiscardedAndReportedAtItsEnd) {
  discard_oversize();
  const std::string payload(5000, 'x');
  const std::string bytes = frame(kText, payload);
  EXPECT_THAT(feed(bytes.substr(0, bytes.size() - 1)), IsEmpty());
  EXPECT_THAT(feed(bytes.substr(bytes.size() - 1) + frame(kText, "next")),
              ElementsAre("too_large", "text:next"));
}

TEST_P(WebSocketCodecTest, DiscardKeepsWhatFits) {
  discard_oversize();
  const std::string payload(1000, 'x');
  EXPECT_THAT(feed(frame(kText, payload)), ElementsAre("text:" + payload));
}

TEST_P(WebSocketCodecTest, DiscardDropsFragmentsAlreadyBuffered) {
  discard_oversize();
  Events events = feed(frame(kText, std::string(900, 'x'), Last::no));
  EXPECT_GE(codec.held_bytes(), 900u);
  events = feed(frame(kContinuation, std::string(101, 'x'), Last::no));
  EXPECT_EQ(codec.held_bytes(), 0u);
  EXPECT_THAT(events, IsEmpty());
  EXPECT_THAT(feed(frame(kContinuation, "y", Last::no) + frame(kContinuation, "z") +
                   frame(kBinary, "next")),
              ElementsAre("too_large", "binary:next"));
}

TEST_P(WebSocketCodecTest, ControlFramesWorkInsideADiscardedMessage) {
  discard_oversize();
  EXPECT_THAT(
      feed(frame(kText, std::string(1001, 'x'), Last::no) + frame(kPing, "a") +
           frame(kContinuation, "", Last::no) + frame(kPong, "b") + frame(kContinuation, "")),
      ElementsAre("ping:a", "pong:b", "too_large"));
}

TEST_P(WebSocketCodecTest, CloseInsideADiscardedMessageIsRead) {
  discard_oversize();
  EXPECT_THAT(feed(frame(kText, std::string(1001, 'x'), Last::no) + frame(kClose, "")),
              ElementsAre("close:1005:"));
}

TEST_P(WebSocketCodecTest, NewMessageInsideADiscardedOneIs1002) {
  discard_oversize();
  EXPECT_THAT(feed(frame(kText, std::string(1001, 'x'), Last::no) + frame(kText, "x")),
              ElementsAre("failed:1002"));
}

TEST_P(WebSocketCodecTest, DiscardDoesNotCheckUtf8) {
  discard_oversize();
  EXPECT_THAT(feed(frame(kText, std::string(1001, '\xff'))), ElementsAre("too_large"));
}

TEST_P(WebSocketCodecTest, DiscardHoldsNothingOfAHugeFrame) {
  discard_oversize();
  EXPECT_THAT(feed(header(0x82, 127, ~std::uint64_t{0} >> 1, 8) + std::string(5000, 'x')),
              IsEmpty());
  EXPECT_EQ(codec.held_bytes(), 0u);
  EXPECT_TRUE(codec.is_mid_message());
}

TEST_P(WebSocketCodecTest, FragmentsExactlyAtTheirNumberPass) {
  std::string bytes = frame(kText, "a", Last::no);
  for (int i = 0; i < 6; ++i) bytes += frame(kContinuation, "", Last::no);
  EXPECT_THAT(feed(bytes + frame(kContinuation, "b") + bytes + frame(kContinuation, "c")),
              ElementsAre("text:ab", "text:ac"));
}

// The packaged processor takes any number of empty fragments.
TEST_P(WebSocketCodecTest, OneFragmentTooManyIs1008) {
  std::string bytes = frame(kText, "", Last::no);
  for (int i = 0; i < 8; ++i) bytes += frame(kContinuation, "", Last::no);
  EXPECT_THAT(feed(bytes), ElementsAre("failed:1008"));
}

TEST_P(WebSocketCodecTest, FragmentsOfADiscardedMessageAreCountedToo) {
  discard_oversize();
  std::string bytes = frame(kText, std::string(1001, 'x'), Last::no);
  for (int i = 0; i < 8; ++i) bytes += frame(kContinuation, "", Last::no);
  EXPECT_THAT(feed(bytes), ElementsAre("failed:1008"));
}

TEST_P(WebSocketCodecTest, ControlFramesAreNoFragments) {
  std::string bytes = frame(kText, "a", Last::no);
  Events expected;
  for (int i = 0; i < 20; ++i) {
    bytes += frame(kPing, "");
    expected.push_back("ping:");
  }
  expected.push_back("text:ab");
  EXPECT_EQ(feed(bytes + frame(kContinuation, "b")), expected);
}

TEST_P(WebSocketCodecTest, IllFormedUtf8Is1007) {
  for (const auto* text : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\x80"}) {
    codec = WebSocketCodec(limits, OversizePolicy::fail);
    EXPECT_THAT(feed(frame(kText, text)), ElementsAre("failed:1007"));
  }
}

TEST_P(WebSocketCodecTest, IllFormedUtf8FailsBeforeTheMessageEnds) {
  EXPECT_THAT(feed(header(0x81, 100) + masked("ab\xff")), ElementsAre("failed:1007"));
}

TEST_P(WebSocketCodecTest, TextThatEndsInsideACharacterIs1007) {
  EXPECT_THAT(feed(frame(kText, "\xe2\x82")), ElementsAre("failed:1007"));
}

// The packaged processor delivers these as valid: it looks at the last frame's opcode.
TEST_P(WebSocketCodecTest, FragmentedTextThatEndsInsideACharacterIs1007) {
  for (const auto* last : {"\xe2\x82", "\xe2", "", "x\xf0\x9f\x8e"}) {
    codec = WebSocketCodec(limits, OversizePolicy::fail);
    const auto* const first = *last == '\0' ? "abc\xe2\x82" : "abc";
    EXPECT_THAT(feed(frame(kText, first, Last::no) + frame(kContinuation, last)),
                ElementsAre("failed:1007"));
  }
}

TEST_P(WebSocketCodecTest, LargeTextThatEndsInsideACharacterIs1007) {
  allow_a_mebibyte();
  EXPECT_THAT(feed(frame(kText, std::string(70'000, 'x') + "\xe2\x82")),
              ElementsAre("failed:1007"));
}

TEST_P(WebSocketCodecTest, CharacterMayBeSplitBetweenFragments) {
  EXPECT_THAT(feed(frame(kText, "\xe2", Last::no) + frame(kPing, "\xff") +
                   frame(kContinuation, "\x82", Last::no) + frame(kContinuation, "\xac")),
              ElementsAre("ping:\xff", "text:€"));
}

TEST_P(WebSocketCodecTest, LargeTextMayHaveCharactersAnywhere) {
  allow_a_mebibyte();
  std::string text = "x";
  while (text.size() < 100'000) text += "€";
  EXPECT_TRUE(feed(frame(kText, text)) == Events{"text:" + text});
}

TEST_P(WebSocketCodecTest, EndOfOneTextDoesNotSpoilTheNext) {
  EXPECT_THAT(feed(frame(kBinary, "\xe2\x82", Last::no) + frame(kContinuation, "\xff") +
                   frame(kText, "ok")),
              ElementsAre("binary:\xe2\x82\xff", "text:ok"));
}

TEST_P(WebSocketCodecTest, CloseWithoutACodeIs1005) {
  EXPECT_THAT(feed(frame(kClose, "")), ElementsAre("close:1005:"));
}

TEST_P(WebSocketCodecTest, CloseCarriesCodeAndReason) {
  EXPECT_THAT(feed(frame(kClose, close_payload(1001, "бувай"))), ElementsAre("close:1001:бувай"));
}

TEST_P(WebSocketCodecTest, LegalCloseCodesPass) {
  for (const int code : {1000, 1003, 1007, 1011, 1012, 1014, 3000, 4999}) {
    codec = WebSocketCodec(limits, OversizePolicy::fail);
    EXPECT_THAT(feed(frame(kClose, close_payload(code))),
                ElementsAre("close:" + std::to_string(code) + ":"));
  }
}

TEST_P(WebSocketCodecTest, IllegalCloseCodesAre1002) {
  for (const int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535}) {
    codec = WebSocketCodec(limits, OversizePolicy::fail);
    EXPECT_THAT(feed(frame(kClose, close_payload(code))), ElementsAre("failed:1002")) << code;
  }
}

TEST_P(WebSocketCodecTest, CloseOfOneByteIs1002) {
  EXPECT_THAT(feed(frame(kClose, "\x03")), ElementsAre("failed:1002"));
}

TEST_P(WebSocketCodecTest, IllFormedCloseReasonIs1007) {
  EXPECT_THAT(feed(frame(kClose, close_payload(1000, "\xe2\x82"))), ElementsAre("failed:1007"));
}

TEST_P(WebSocketCodecTest, NothingIsReadAfterClose) {
  EXPECT_THAT(feed(frame(kText, "a") + frame(kClose, "") + frame(kText, "b") + "garbage"),
              ElementsAre("text:a", "close:1005:"));
}

TEST_P(WebSocketCodecTest, NothingIsReadAfterFailure) {
  EXPECT_THAT(feed("\x81\x01x" + frame(kText, "b") + "\x81\x01x"), ElementsAre("failed:1002"));
}

TEST_P(WebSocketCodecTest, FailureReleasesWhatWasBuffered) {
  feed(frame(kText, std::string(900, 'x'), Last::no) + frame(kText, "b"));
  EXPECT_EQ(codec.held_bytes(), 0u);
  EXPECT_FALSE(codec.is_mid_message());
}

TEST_P(WebSocketCodecTest, IsMidMessageFromTheFirstByteToTheLast) {
  EXPECT_FALSE(codec.is_mid_message());
  const std::string bytes = frame(kText, "abc");
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    feed(bytes.substr(i, 1));
    EXPECT_TRUE(codec.is_mid_message());
  }
  feed(bytes.substr(bytes.size() - 1));
  EXPECT_FALSE(codec.is_mid_message());
}

TEST_P(WebSocketCodecTest, IsMidMessageBetweenFragments) {
  feed(frame(kText, "abc", Last::no) + frame(kPing, ""));
  EXPECT_TRUE(codec.is_mid_message());
  feed(frame(kContinuation, ""));
  EXPECT_FALSE(codec.is_mid_message());
}

// The packaged processor reserves what a header announces, before any of it arrives.
TEST_P(WebSocketCodecTest, AnnouncedLengthReservesNoMoreThan64KiB) {
  allow_a_mebibyte();
  feed(header(0x82, 1u << 20));
  EXPECT_LE(codec.held_bytes(), 64u << 10);
}

TEST_P(WebSocketCodecTest, LengthAnnouncedByAContinuationReservesNoMoreThan64KiB) {
  allow_a_mebibyte();
  feed(frame(kBinary, "", Last::no) + header(0x80, 1u << 20));
  EXPECT_LE(codec.held_bytes(), 64u << 10);
}

TEST_P(WebSocketCodecTest, HeldMemoryFollowsWhatArrives) {
  allow_a_mebibyte();
  feed(header(0x82, 1u << 20));
  for (std::size_t arrived = 0; arrived < 300'000; arrived += 10'000) {
    EXPECT_LE(codec.held_bytes(), 2 * arrived + (32u << 10)) << arrived;
    feed(std::string(10'000, 'x'));
  }
}

TEST_P(WebSocketCodecTest, SmallMessageReservesWhatItNeeds) {
  feed(header(0x82, 160));
  EXPECT_LE(codec.held_bytes(), 160u);
  feed(std::string(160, 'x'));
  EXPECT_EQ(codec.held_bytes(), 0u);
}

TEST_P(WebSocketCodecTest, MovedCodecGoesOn) {
  feed(frame(kText, "a", Last::no));
  WebSocketCodec moved = std::move(codec);
  codec = std::move(moved);
  EXPECT_THAT(feed(frame(kContinuation, "b")), ElementsAre("text:ab"));
}

TEST(WebSocketCodecInputTest, StopsAtAnEventAndSaysWhatItTook) {
  const WebSocketLimits limits;
  WebSocketCodec codec(limits, OversizePolicy::fail);
  std::string bytes = frame(kText, "a") + frame(kText, "b");
  auto* data = reinterpret_cast<std::uint8_t*>(bytes.data());
  std::size_t size = bytes.size();
  EXPECT_EQ(describe(codec.next(data, size)), "text:a");
  EXPECT_EQ(size, frame(kText, "b").size());
  EXPECT_EQ(reinterpret_cast<char*>(data), bytes.data() + bytes.size() - size);
}

/// A random legal stream and the events that it stands for.
struct Stream {
  std::string bytes;
  Events events;
};

Stream random_stream(std::mt19937& random, const WebSocketLimits& limits) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const std::array<std::string, 4> characters = {"x", "ж", "€", "🎧"};
  Stream stream;
  for (int message = 0; message < 12; ++message) {
    const bool is_text = below(2) == 0;
    std::string payload;
    const std::size_t size = below(3) == 0 ? below(100'000) : below(300);
    while (payload.size() < size) payload += is_text ? characters[below(4)] : "\xff\x00z"s;
    const std::size_t frames = 1 + (below(2) == 0 ? 0 : below(5));
    std::size_t begin = 0;
    for (std::size_t i = 0; i < frames; ++i) {
      if (i > 0 && below(2) == 0) {
        stream.bytes += frame(kPing, std::to_string(i));
        stream.events.push_back("ping:" + std::to_string(i));
      }
      const bool is_last = i + 1 == frames;
      const std::size_t end = is_last ? payload.size() : begin + below(payload.size() - begin + 1);
      stream.bytes += frame(i > 0     ? kContinuation
                            : is_text ? kText
                                      : kBinary,
                            payload.substr(begin, end - begin), is_last ? Last::yes : Last::no);
      begin = end;
    }
    stream.events.push_back(payload.size() > limits.max_message_bytes
                                ? "too_large"
                                : (is_text ? "text:" : "binary:") + payload);
  }
  return stream;
}

void feed_in_random_parts(WebSocketCodec& codec, const std::string& bytes, std::mt19937& random,
                          Events& events) {
  const std::size_t longest = std::size_t{1} << (random() % 17);
  for (std::size_t i = 0; i < bytes.size();) {
    const std::size_t n = 1 + random() % longest;
    feed_into(codec, bytes.substr(i, n), events);
    i += n;
  }
}

/// Runs `body` with generators of printed seeds.
void with_random_seeds(int runs, const std::function<void(std::mt19937&)>& body) {
  const auto first = std::random_device()();
  std::cout << "seeds from " << first << '\n';
  for (unsigned i = 0; i < static_cast<unsigned>(runs); ++i) {
    SCOPED_TRACE("seed " + std::to_string(first + i));
    std::mt19937 random(first + i);
    body(random);
  }
}

TEST(WebSocketCodecSplitTest, AnySplitOfALegalStreamGivesTheSameEvents) {
  const WebSocketLimits limits{60'000, 1024};
  with_random_seeds(20, [&](std::mt19937& random) {
    const Stream stream = random_stream(random, limits);
    WebSocketCodec whole(limits, OversizePolicy::discard);
    Events events;
    feed_into(whole, stream.bytes, events);
    EXPECT_TRUE(events == stream.events);

    WebSocketCodec split(limits, OversizePolicy::discard);
    events.clear();
    feed_in_random_parts(split, stream.bytes, random, events);
    EXPECT_TRUE(events == stream.events);
    EXPECT_FALSE(split.is_mid_message());
  });
}

TEST(WebSocketCodecSplitTest, AnySplitOfADamagedStreamGivesTheSameEvents) {
  const WebSocketLimits limits{60'000, 4};
  with_random_seeds(20, [&](std::mt19937& random) {
    std::string bytes = random_stream(random, limits).bytes;
    for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    const auto policy = random() % 2 == 0 ? OversizePolicy::fail : OversizePolicy::discard;
    Events expected;
    WebSocketCodec whole(limits, policy);
    feed_into(whole, bytes, expected);

    Events events;
    WebSocketCodec split(limits, policy);
    feed_in_random_parts(split, bytes, random, events);
    EXPECT_TRUE(events == expected);
  });
}

std::string encoded_header(FrameKind kind, std::size_t payload_bytes) {
  std::uint8_t bytes[kMaxFrameHeaderBytes];
  const std::size_t n = encode_frame_header(kind, payload_bytes, bytes);
  return std::string(bytes, bytes + n);
}

TEST(WebSocketEncodingTest, FrameHeaderHasTheShortestLength) {
  EXPECT_EQ(encoded_header(FrameKind::text, 0), "\x81\x00"s);
  EXPECT_EQ(encoded_header(FrameKind::binary, 125), "\x82\x7d"s);
  EXPECT_EQ(encoded_header(FrameKind::binary, 126), "\x82\x7e\x00\x7e"s);
  EXPECT_EQ(encoded_header(FrameKind::text, 65535), "\x81\x7e\xff\xff"s);
  EXPECT_EQ(encoded_header(FrameKind::text, 65536), "\x81\x7f\0\0\0\0\0\x01\0\0"s);
  EXPECT_EQ(encoded_header(FrameKind::text, 0x123456789a), "\x81\x7f\0\0\0\x12\x34\x56\x78\x9a"s);
}

TEST(WebSocketEncodingTest, PingAndPongCarryTheirPayload) {
  EXPECT_EQ(encode_ping("ab"), "\x89\x02"s + "ab");
  EXPECT_EQ(encode_pong("ab"), "\x8a\x02"s + "ab");
  EXPECT_EQ(encode_pong(""), "\x8a\x00"s);
}

TEST(WebSocketEncodingTest, PingAndPongAreCutAt125Bytes) {
  const std::string payload(126, 'x');
  EXPECT_EQ(encode_ping(payload), "\x89\x7d" + payload.substr(1));
  EXPECT_EQ(encode_pong(payload), "\x8a\x7d" + payload.substr(1));
}

TEST(WebSocketEncodingTest, CloseCarriesCodeAndReason) {
  EXPECT_EQ(encode_close(CloseCode::going_away, "bye"), "\x88\x05\x03\xe9"s + "bye");
  EXPECT_EQ(encode_close(CloseCode::normal, ""), "\x88\x02\x03\xe8"s);
}

TEST(WebSocketEncodingTest, LongReasonIsCutAtTheEndOfACharacter) {
  const std::string reason(122, 'x');
  EXPECT_EQ(encode_close(CloseCode::normal, reason + "yz"), "\x88\x7d\x03\xe8" + reason + "y");
  EXPECT_EQ(encode_close(CloseCode::normal, reason + "ж"), "\x88\x7c\x03\xe8" + reason);
}

TEST(WebSocketEncodingTest, CloseReplyEchoesTheCode) {
  EXPECT_EQ(encode_close_reply(1001), "\x88\x02\x03\xe9"s);
  EXPECT_EQ(encode_close_reply(4000), "\x88\x02\x0f\xa0"s);
}

TEST(WebSocketEncodingTest, CloseReplyToNoCodeIsEmpty) {
  EXPECT_EQ(encode_close_reply(1005), "\x88\x00"s);
}

// The example of RFC 6455, section 1.3.
TEST(WebSocketHandshakeTest, AcceptValueIsThatOfTheRfc) {
  EXPECT_THAT(
      encode_handshake("dGhlIHNhbXBsZSBub25jZQ==", ""),
      AllOf(StartsWith("HTTP/1.1 101 Switching Protocols\r\n"),
            HasSubstr("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            HasSubstr("\r\nUpgrade: websocket\r\n"), HasSubstr("\r\nConnection: Upgrade\r\n"),
            EndsWith("\r\n\r\n"), Not(HasSubstr("Sec-WebSocket-Protocol")),
            Not(HasSubstr("Sec-WebSocket-Extensions"))));
}

TEST(WebSocketHandshakeTest, ChosenSubprotocolIsNamed) {
  EXPECT_THAT(encode_handshake("dGhlIHNhbXBsZSBub25jZQ==", "voicechan.v1"),
              HasSubstr("\r\nSec-WebSocket-Protocol: voicechan.v1\r\n"));
}

TEST(WebSocketHandshakeTest, SubprotocolThatIsNoTokenIsLeftOut) {
  EXPECT_EQ(encode_handshake("dGhlIHNhbXBsZSBub25jZQ==", "a\r\nSet-Cookie: b"),
            encode_handshake("dGhlIHNhbXBsZSBub25jZQ==", ""));
}

TEST(WebSocketHandshakeTest, KeyIsBase64OfSixteenBytes) {
  EXPECT_TRUE(is_valid_websocket_key("dGhlIHNhbXBsZSBub25jZQ=="));
  EXPECT_TRUE(is_valid_websocket_key("AAAAAAAAAAAAAAAA+/AAAA=="));
}

TEST(WebSocketHandshakeTest, AnyOtherKeyIsInvalid) {
  for (const auto* key :
       {"", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZWE=", "dGhlIHNhbXBsZSBub25jZWFi",
        "dGhlIHNhbXBsZSBub25_ZQ==", "dGhlIHNhbXBsZSBub25 ZQ==", " dGhlIHNhbXBsZSBub25jZQ==",
        "SGVsbG8sIHdvcmxkIQ==", "dGhlIHNhbXBsZSBub25jZ==="}) {
    EXPECT_FALSE(is_valid_websocket_key(key)) << key;
  }
}

}  // namespace
}  // namespace voicechan::server

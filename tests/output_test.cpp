#include "output.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "websocket_codec.hpp"

namespace voicechan::server {
namespace {

constexpr MonotonicTime kStart{};

/// Writes the next `bytes` of an output, as a socket would that takes no more.
std::string take(Output& output, std::size_t bytes, WireBuffer& wire) {
  const std::string taken(output.gather(wire).substr(0, bytes));
  output.consume(taken.size(), wire);
  return taken;
}

std::string take(Output& output, std::size_t bytes) {
  WireBuffer wire;
  return take(output, bytes, wire);
}

std::string take_all(Output& output) {
  std::string taken;
  while (true) {
    const std::string more = take(output, std::string::npos);
    if (more.empty()) return taken;
    taken += more;
  }
}

void push(Output& output, std::string text, MonotonicTime now = kStart) {
  ASSERT_TRUE(output.push(Frame::control_text(std::move(text)), now));
}

std::string text_frame(std::string_view text) {
  std::uint8_t header[kMaxFrameHeaderBytes];
  const std::size_t size = encode_frame_header(FrameKind::text, text.size(), header);
  return std::string(reinterpret_cast<const char*>(header), size).append(text);
}

class OutputTest : public ::testing::Test {
 protected:
  OutboxLimits limits_;
  Output output_{limits_};
};

TEST_F(OutputTest, HasNothingAtFirst) {
  WireBuffer wire;
  EXPECT_EQ(output_.gather(wire), "");
}

TEST(OutputBudgetTest, RawBytesCountUntilTheyAreWritten) {
  MemoryBudget budget(200);
  OutboxLimits limits;
  limits.budget = &budget;
  Output output(limits);
  EXPECT_FALSE(output.write(std::string(201, 'x')));
  EXPECT_TRUE(output.is_empty());
  EXPECT_TRUE(output.write(std::string(60, 'x')));
  EXPECT_TRUE(output.write(std::string(40, 'x')));
  EXPECT_FALSE(output.write(std::string(1, 'x')));  // as much as is free
  EXPECT_EQ(budget.free_bytes(), 100u);
  EXPECT_EQ(take_all(output).size(), 100u);
  EXPECT_EQ(budget.free_bytes(), 200u);
  {
    Output other(limits);
    EXPECT_TRUE(other.write(std::string(50, 'x')));
  }
  EXPECT_EQ(budget.free_bytes(), 200u);
}

TEST_F(OutputTest, WritesAHeaderInFrontOfAFrame) {
  push(output_, "hello");
  EXPECT_EQ(take_all(output_), text_frame("hello"));
}

TEST_F(OutputTest, WritesTheHeaderOfAnEmptyFrame) {
  push(output_, "");
  EXPECT_EQ(take_all(output_), text_frame(""));
}

TEST_F(OutputTest, RawBytesOvertakeFramesThatHaveNotBegun) {
  push(output_, "data");
  ASSERT_TRUE(output_.write("raw"));
  EXPECT_EQ(take_all(output_), "raw" + text_frame("data"));
}

TEST_F(OutputTest, RawBytesWaitForTheEndOfAFrameThatHasBegun) {
  push(output_, "first");
  push(output_, "second");
  const std::string begun = take(output_, 1);
  ASSERT_TRUE(output_.write("raw"));
  EXPECT_EQ(begun + take_all(output_), text_frame("first") + "raw" + text_frame("second"));
}

TEST_F(OutputTest, LastBytesGoBehindFramesAndRawBytes) {
  output_.write_last("last");
  push(output_, "data");
  ASSERT_TRUE(output_.write("raw"));
  EXPECT_EQ(take_all(output_), "raw" + text_frame("data") + "last");
}

TEST_F(OutputTest, LastBytesComeBehindMoreFramesThanOneGatheringHolds) {
  output_.write_last("last");
  std::string expected;
  while (expected.size() <= 2 * WireBuffer::kBytes) {
    push(output_, std::string(1000, 'x'));
    expected += text_frame(std::string(1000, 'x'));
  }
  EXPECT_EQ(take_all(output_), expected + "last");
}

TEST_F(OutputTest, AFrameThatHasBegunSurvivesDiscarding) {
  push(output_, "begun");
  push(output_, "waiting");
  const std::string begun = take(output_, 3);
  output_.discard_unsent();
  output_.write_last("last");
  EXPECT_EQ(begun + take_all(output_), text_frame("begun") + "last");
}

TEST_F(OutputTest, AFrameThatHasBegunIsNeverStale) {
  ASSERT_TRUE(output_.push(Frame::media("begun"), kStart));
  ASSERT_TRUE(output_.push(Frame::media("waiting"), kStart));
  std::string written = take(output_, 1);
  output_.drop_stale(kStart + 2 * limits_.max_media_age);
  written += take_all(output_);
  EXPECT_EQ(written.substr(2), "begun");
  EXPECT_EQ(output_.outbox().drops().frames, 1u);
}

TEST_F(OutputTest, TheSameFramesAreLaidOutOnceForTwoOutputs) {
  Output other(limits_);
  const Frame frame = Frame::media("shared");
  for (Output* each : {&output_, &other}) ASSERT_TRUE(each->push(frame, kStart));
  WireBuffer wire;
  const std::string_view bytes = output_.gather(wire);
  const std::string copy(bytes);
  output_.consume(bytes.size(), wire);
  EXPECT_TRUE(output_.is_empty());
  EXPECT_EQ(other.gather(wire).data(), bytes.data());
  EXPECT_EQ(take_all(other), copy);
}

TEST_F(OutputTest, OtherFramesOfTheSameTextAreLaidOutAnew) {
  Output other(limits_);
  push(output_, "twin");
  push(other, "twin");
  push(other, "more");
  WireBuffer wire;
  EXPECT_EQ(take(output_, std::string::npos, wire), text_frame("twin"));
  EXPECT_EQ(take(other, std::string::npos, wire), text_frame("twin") + text_frame("more"));
}

TEST_F(OutputTest, ALargeFrameIsNotCopied) {
  const Frame frame = Frame::media(std::string(1 << 20, 'x'));
  ASSERT_TRUE(output_.push(frame, kStart));
  WireBuffer wire;
  std::string written = take(output_, std::string::npos, wire);
  const std::string_view rest = output_.gather(wire);
  EXPECT_EQ(rest.data() + rest.size(), frame.bytes().data() + frame.size());
  written += take_all(output_);
  EXPECT_EQ(written.size(), frame_header_bytes(frame.size()) + frame.size());
  EXPECT_TRUE(output_.is_empty());
}

// The bytes in the buffer were those of another output, of which as many had been written.
TEST_F(OutputTest, ALargeFrameIsNotTakenForWhatAnotherOutputLaidOut) {
  Output large(limits_);
  const Frame frame = Frame::media(std::string(1 << 20, 'x'));
  ASSERT_TRUE(large.push(frame, kStart));
  push(output_, "small");
  WireBuffer wire;
  std::string written = take(large, std::string::npos, wire);
  const std::size_t small_size = output_.gather(wire).size();
  written += take(large, small_size, wire);
  EXPECT_FALSE(large.is_empty());
  written += take_all(large);
  EXPECT_EQ(written.size(), frame_header_bytes(frame.size()) + frame.size());
}

/// A whole frame found in the stream.
struct Unit {
  std::size_t begin = 0;
  int opcode = 0;
  std::string payload;
};

std::vector<Unit> parse(const std::string& stream) {
  std::vector<Unit> units;
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(stream.at(at)); };
  for (std::size_t at = 0; at < stream.size();) {
    Unit unit{at, byte(at) & 15, {}};
    std::size_t length = byte(at + 1);
    at += 2;
    const int length_bytes = length == 127 ? 8 : length == 126 ? 2 : 0;
    if (length_bytes > 0) length = 0;
    for (int i = 0; i < length_bytes; ++i) length = length << 8 | byte(at++);
    unit.payload = stream.substr(at, length);
    EXPECT_EQ(unit.payload.size(), length) << "the stream ends within a frame";
    at += length;
    units.push_back(std::move(unit));
  }
  return units;
}

/// What a random run put in.
struct Script {
  std::vector<std::string> data;
  std::vector<std::string> raw;
  std::vector<std::size_t> raw_written_at;  // bytes that had gone out before
};

void check(const Script& script, const std::string& stream) {
  std::vector<std::string> data;
  std::vector<std::string> raw;
  std::vector<std::size_t> data_begins;
  const std::vector<Unit> units = parse(stream);
  for (const Unit& unit : units) {
    if (unit.opcode == 1 || unit.opcode == 2) {
      data.push_back(unit.payload);
      data_begins.push_back(unit.begin);
    } else if (unit.opcode == 10) {
      // It waited for the frames that had begun when it was written, and for no other.
      const auto had_begun = std::count_if(
          data_begins.begin(), data_begins.end(),
          [&](std::size_t begin) { return begin < script.raw_written_at.at(raw.size()); });
      EXPECT_EQ(data_begins.size(), static_cast<std::size_t>(had_begun));
      raw.push_back(unit.payload);
    }
  }
  EXPECT_TRUE(data == script.data) << "the data frames are not those pushed, in order";
  EXPECT_EQ(raw, script.raw);
  ASSERT_FALSE(units.empty());
  EXPECT_EQ(units.back().opcode, 8);
}

TEST_F(OutputTest, AnyInterleavingGivesWholeFramesInOrder) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
  };
  constexpr std::size_t kSizes[] = {0, 1, 2, 100, 125, 126, 127, 5000, 65535, 65536};

  OutboxLimits limits;
  limits.max_control_bytes = 1u << 30;  // nothing is refused
  for (int run = 0; run < 100; ++run) {
    // Two listeners of one room: the same frames, other raw bytes, other sockets, one buffer.
    struct Listener {
      explicit Listener(const OutboxLimits& outbox_limits) : output(outbox_limits) {}
      Output output;
      Script script;
      std::string stream;
    } listeners[] = {Listener(limits), Listener(limits)};
    WireBuffer wire;
    for (std::size_t step = below(200) + 1; step > 0; --step) {
      Listener& listener = listeners[below(2)];
      switch (below(4)) {
        case 0:
          for (std::size_t i = below(20) == 0 ? 100 : 1; i > 0; --i) {
            std::string payload = std::to_string(listener.script.data.size());
            payload.resize(std::max(payload.size(), kSizes[std::min(below(10), below(10))]), 'x');
            if (below(20) == 0) payload.clear();
            const auto kind = below(2) == 0 ? FrameKind::text : FrameKind::binary;
            const Frame frame(kind, FrameClass::control, payload);
            for (Listener& each : listeners) {
              each.script.data.push_back(payload);
              ASSERT_TRUE(each.output.push(frame, kStart));
            }
          }
          break;
        case 1:
          listener.script.raw.push_back("pong " + std::to_string(listener.script.raw.size()));
          listener.script.raw_written_at.push_back(listener.stream.size());
          ASSERT_TRUE(listener.output.write(encode_pong(listener.script.raw.back())));
          break;
        case 2:
          listener.stream += take(listener.output, below(20), wire);
          break;
        case 3:
          for (Listener& each : listeners) each.stream += take(each.output, below(200'000), wire);
          break;
      }
      if (below(3) == 0) wire.forget();
    }
    for (Listener& each : listeners) {
      each.output.write_last(encode_close(CloseCode::normal, {}));
      while (!each.output.is_empty()) each.stream += take(each.output, below(100'000), wire);
      check(each.script, each.stream);
    }
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace voicechan::server

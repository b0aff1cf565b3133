#include "websocket_frame.hpp"

#include <gtest/gtest.h>

#include <string>

namespace voicechan::load {
namespace {

using namespace std::string_literals;

std::string length_of(std::size_t size) {
  if (size < 126) return {static_cast<char>(size)};
  std::string bytes = size < 65536 ? "\x7e" : "\x7f";
  for (int shift = size < 65536 ? 8 : 56; shift >= 0; shift -= 8) {
    bytes += static_cast<char>(size >> shift);
  }
  return bytes;
}

ParseStatus status_of(std::string_view bytes) {
  FrameView frame;
  return take_frame(bytes, frame);
}

TEST(TakeFrameTest, EveryFormOfLengthIsRead) {
  for (const std::size_t size : {0u, 1u, 125u, 126u, 65535u, 65536u, 100'000u}) {
    const std::string payload(size, 'x');
    const std::string bytes = "\x82" + length_of(size) + payload + "rest";
    std::string_view left = bytes;
    FrameView frame;
    ASSERT_EQ(take_frame(left, frame), ParseStatus::frame) << size;
    EXPECT_EQ(frame.opcode, Opcode::binary);
    EXPECT_TRUE(frame.is_final);
    EXPECT_TRUE(frame.payload == payload);
    EXPECT_EQ(left, "rest");
  }
}

TEST(TakeFrameTest, EveryPrefixIsIncompleteAndStays) {
  const std::string bytes = "\x81" + length_of(300) + std::string(300, 'x');
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    std::string_view left = std::string_view(bytes).substr(0, size);
    FrameView frame;
    EXPECT_EQ(take_frame(left, frame), ParseStatus::incomplete);
    EXPECT_EQ(left.size(), size);
  }
}

TEST(TakeFrameTest, FragmentsAreToldApart) {
  const std::string bytes = "\x01\x02" + "ab\x80\x01"s + "c";
  std::string_view left = bytes;
  FrameView frame;
  ASSERT_EQ(take_frame(left, frame), ParseStatus::frame);
  EXPECT_FALSE(frame.is_final);
  EXPECT_EQ(frame.opcode, Opcode::text);
  ASSERT_EQ(take_frame(left, frame), ParseStatus::frame);
  EXPECT_TRUE(frame.is_final);
  EXPECT_EQ(frame.opcode, Opcode::continuation);
  EXPECT_EQ(frame.payload, "c");
}

TEST(TakeFrameTest, WhatAServerMustNotSendIsMalformed) {
  EXPECT_EQ(status_of("\x82\x81"), ParseStatus::malformed) << "masked";
  EXPECT_EQ(status_of("\xc2\x01"), ParseStatus::malformed) << "reserved bit";
  EXPECT_EQ(status_of("\x83\x01"), ParseStatus::malformed) << "reserved opcode";
  EXPECT_EQ(status_of("\x8b\x01"), ParseStatus::malformed) << "reserved control opcode";
  EXPECT_EQ(status_of("\x09\x01"), ParseStatus::malformed) << "a ping in fragments";
  EXPECT_EQ(status_of("\x89\x7e\x01\x01"), ParseStatus::malformed) << "a long ping";
  EXPECT_EQ(status_of("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), ParseStatus::malformed);
}

std::string unmasked(std::string_view frame, std::size_t head) {
  std::string payload(frame.substr(head + 4));
  for (std::size_t i = 0; i < payload.size(); ++i) {
    payload[i] = static_cast<char>(payload[i] ^ frame[head + i % 4]);
  }
  return payload;
}

TEST(AppendFrameTest, PayloadsOfAllSizesAreMasked) {
  for (std::size_t size = 0; size < 70; ++size) {
    const std::string payload(size, 'x');
    std::string out;
    append_frame(out, Opcode::binary, payload, 0x04030201);
    EXPECT_EQ(out[0], '\x82');
    EXPECT_EQ(out[1], static_cast<char>(0x80 | size));
    EXPECT_EQ(unmasked(out, 2), payload);
    EXPECT_EQ(out.find("xxxx"), std::string::npos);
  }
}

TEST(AppendFrameTest, LongLengthsAreBigEndian) {
  std::string out;
  append_frame(out, Opcode::text, std::string(0x1234, 'a'), 1);
  EXPECT_EQ(out.substr(0, 4), "\x81\xfe\x12\x34");
  EXPECT_EQ(unmasked(out, 4), std::string(0x1234, 'a'));
  out.clear();
  append_frame(out, Opcode::text, std::string(0x12345, 'a'), 1);
  EXPECT_EQ(out.substr(0, 10), "\x81\xff\0\0\0\0\0\x01\x23\x45"s);
}

TEST(AppendFrameTest, FramesAreAppended) {
  std::string out = "before";
  append_frame(out, Opcode::ping, "", 7);
  append_frame(out, Opcode::close, "", 7);
  EXPECT_EQ(out, "before\x89\x80\x07\0\0\0\x88\x80\x07\0\0\0"s);
}

TEST(MaskKeysTest, KeysAreNeverZeroAndDiffer) {
  MaskKeys keys(0);
  std::uint32_t previous = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::uint32_t key = keys.next();
    ASSERT_NE(key, 0u);
    ASSERT_NE(key, previous);
    previous = key;
  }
}

}  // namespace
}  // namespace voicechan::load

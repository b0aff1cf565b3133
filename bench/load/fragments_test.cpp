#include "fragments.hpp"

#include <gtest/gtest.h>

namespace voicechan::load {
namespace {

using Status = Fragments::Status;

class FragmentsTest : public ::testing::Test {
 protected:
  Status add(Opcode opcode, std::string_view bytes, bool is_final) {
    return fragments.add({opcode, is_final, bytes}, kind, payload);
  }

  Fragments fragments;
  Opcode kind = Opcode::close;
  std::string_view payload;
};

TEST_F(FragmentsTest, WholeMessageIsNotCopied) {
  const std::string_view bytes = "whole";
  EXPECT_EQ(add(Opcode::text, bytes, true), Status::message);
  EXPECT_EQ(kind, Opcode::text);
  EXPECT_EQ(payload.data(), bytes.data());
}

TEST_F(FragmentsTest, FragmentsBecomeOneMessageOfTheFirstKind) {
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(add(Opcode::binary, "a", false), Status::unfinished);
    EXPECT_EQ(add(Opcode::continuation, "", false), Status::unfinished);
    EXPECT_EQ(add(Opcode::continuation, "bc", true), Status::message);
    EXPECT_EQ(kind, Opcode::binary);
    EXPECT_EQ(payload, "abc");
  }
}

TEST_F(FragmentsTest, ContinuationOfNothingIsMalformed) {
  EXPECT_EQ(add(Opcode::continuation, "x", true), Status::malformed);
}

TEST_F(FragmentsTest, MessageInsideAnotherIsMalformed) {
  EXPECT_EQ(add(Opcode::text, "x", false), Status::unfinished);
  EXPECT_EQ(add(Opcode::text, "y", true), Status::malformed);
}

TEST_F(FragmentsTest, EndlessMessageIsMalformed) {
  const std::string much(kMaxFrameBytes / 2, 'x');
  EXPECT_EQ(add(Opcode::binary, much, false), Status::unfinished);
  EXPECT_EQ(add(Opcode::continuation, much, false), Status::unfinished);
  EXPECT_EQ(add(Opcode::continuation, "x", false), Status::malformed);
}

}  // namespace
}  // namespace voicechan::load

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <variant>

#include "redis/envelope.hpp"

// The input is what another node published. What is understood says the same when it is sent on.

namespace voicechan::redis {
namespace {

void check(std::string_view received) {
  const auto decoded = decode(received);
  const auto* message = std::get_if<Message>(&decoded);
  if (message == nullptr) return;
  const std::string again = encode(message->envelope, message->body);
  EXPECT_LE(again.size(), received.size());  // an extension of the header is not kept
  const auto second = decode(again);
  ASSERT_TRUE(std::holds_alternative<Message>(second));
  EXPECT_EQ(encode(std::get<Message>(second).envelope, std::get<Message>(second).body), again);
}

}  // namespace
}  // namespace voicechan::redis

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  voicechan::redis::check({reinterpret_cast<const char*>(data), size});
  return 0;
}

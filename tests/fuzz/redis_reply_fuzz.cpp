#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "fuzz_input.hpp"
#include "redis/bus_header.hpp"
#include "redis/redis_reply.hpp"

// The input is what a Redis server sends. However it is split, the same replies come out, within
// their bounds; what a reply carries is read as a message of the bus.

namespace voicechan::redis {
namespace {

// Small, so that short inputs reach them.
constexpr RedisReplyLimits kLimits{300, 20};

struct Size {
  std::size_t bytes = 0;
  std::size_t elements = 0;
};

void describe(const RedisReply& reply, std::string& out, Size& size) {
  out += std::to_string(static_cast<int>(reply.type)) + ":" + std::to_string(reply.integer) + ":" +
         std::to_string(reply.text.size()) + ":" + reply.text + "[";
  size.bytes += reply.text.size();
  size.elements += reply.elements.size();
  for (const auto& element : reply.elements) describe(element, out, size);
  out += "]";
  if (const auto header = BusHeader::decode(reply.text)) {
    auto bytes = reply.text.substr(0, BusHeader::kBytes);
    bytes[3] = static_cast<char>(bytes[3] & 1);  // flags of newer versions are not kept
    EXPECT_EQ(header->encode(), bytes);
  }
}

template <class NextSize>
std::string read_in_pieces(std::string_view input, NextSize&& next_size) {
  RedisReplyReader reader(kLimits);
  std::string out;
  while (!input.empty() && reader.error().empty()) {
    const auto piece = input.substr(0, next_size());
    input.remove_prefix(piece.size());
    reader.feed(piece);
    while (const auto reply = reader.next()) {
      Size size;
      describe(*reply, out, size);
      EXPECT_LE(size.bytes, kLimits.max_bytes);
      EXPECT_LE(size.elements, kLimits.max_elements);
    }
  }
  return out + reader.error();
}

void check(std::string_view input) {
  const auto whole = read_in_pieces(input, [&] { return input.size(); });
  EXPECT_EQ(read_in_pieces(input, [] { return std::size_t{1}; }), whole);
  EXPECT_EQ(read_in_pieces(input, piece_sizes(input)), whole);
}

}  // namespace
}  // namespace voicechan::redis

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  voicechan::redis::check({reinterpret_cast<const char*>(data), size});
  return 0;
}

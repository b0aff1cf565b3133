#include <algorithm>

#include "fuzz_input.hpp"
#include "unicode.hpp"
#include "websocket_codec_feed.hpp"

// The input is what a client sends after the handshake. However it is split, the same events come
// out; memory stays bounded; a message survives being encoded and read again.

namespace voicechan::server {
namespace {

using Type = WebSocketCodec::Event::Type;

// Small, so that short inputs reach them.
const WebSocketLimits kLimits{300, 5};

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    if (!unicode::take_character(text)) return false;
  }
  return true;
}

// As the other side would send it: masked, with a key of zeros.
std::string as_client_frame(FrameKind kind, std::string_view payload) {
  std::uint8_t header[kMaxFrameHeaderBytes];
  const std::size_t size = encode_frame_header(kind, payload.size(), header);
  EXPECT_EQ(size, frame_header_bytes(payload.size()));
  std::string bytes(header, header + size);
  bytes[1] = static_cast<char>(bytes[1] | 0x80);
  return bytes.append(4, '\0').append(payload);
}

void check_event(const WebSocketCodec::Event& event) {
  if (event.type == Type::message) {
    EXPECT_LE(event.payload.size(), kLimits.max_message_bytes);
    EXPECT_TRUE(event.kind == FrameKind::binary || is_utf8(event.payload));
    WebSocketCodec codec(kLimits, OversizePolicy::fail);
    WebSocketEvents events;
    feed_into(codec, as_client_frame(event.kind, event.payload), events);
    EXPECT_EQ(events, WebSocketEvents{describe(event)});
  } else if (event.type == Type::close) {
    EXPECT_TRUE(is_utf8(event.payload));
    EXPECT_LE(event.payload.size(), 123u);
    EXPECT_TRUE(
        (event.code >= 1000 && event.code <= 1014 && event.code != 1004 && event.code != 1006) ||
        (event.code >= 3000 && event.code <= 4999));
  } else if (event.type == Type::failed) {
    EXPECT_TRUE(event.code == 1002 || event.code == 1007 || event.code == 1008 ||
                event.code == 1009);
  } else {
    EXPECT_LE(event.payload.size(), 125u);
  }
}

WebSocketEvents feed_bytewise(std::string_view input, OversizePolicy policy) {
  WebSocketEvents events;
  WebSocketCodec codec(kLimits, policy);
  bool has_ended = false;
  for (std::size_t i = 0; i < input.size(); ++i) {
    std::uint8_t byte = static_cast<std::uint8_t>(input[i]);
    std::uint8_t* data = &byte;
    std::size_t size = 1;
    while (true) {
      const auto event = codec.next(data, size);
      if (event.type == Type::need_more) break;
      EXPECT_FALSE(has_ended);
      has_ended = event.type == Type::failed || event.type == Type::close;
      check_event(event);
      events.push_back(describe(event));
    }
    // One check a byte: GoogleTest's cost more than the codec.
    const bool is_bounded = codec.held_bytes() <= (std::size_t{32} << 10) + 2 * (i + 1);
    const bool is_clean = !has_ended || (codec.held_bytes() == 0 && !codec.is_mid_message());
    if (size != 0 || !is_bounded || !is_clean) ADD_FAILURE() << "at byte " << i;
  }
  return events;
}

void check(std::string_view input, OversizePolicy policy) {
  const WebSocketEvents events = feed_bytewise(input, policy);
  WebSocketEvents whole;
  WebSocketCodec codec(kLimits, policy);
  feed_into(codec, std::string(input), whole);
  EXPECT_EQ(whole, events);

  WebSocketEvents split;
  WebSocketCodec split_codec(kLimits, policy);
  auto next_size = piece_sizes(input);
  for (std::string_view rest = input; !rest.empty();) {
    const std::string_view piece = rest.substr(0, next_size());
    feed_into(split_codec, std::string(piece), split);
    rest.remove_prefix(piece.size());
  }
  EXPECT_EQ(split, events);
}

}  // namespace
}  // namespace voicechan::server

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace voicechan::server;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check(input, OversizePolicy::fail);
  check(input, OversizePolicy::discard);
  return 0;
}

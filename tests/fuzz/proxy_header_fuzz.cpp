#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "proxy_header.hpp"

// The input is how a connection from a proxy begins. A header is read when its last byte is there,
// not sooner, and what follows it changes nothing.

namespace voicechan::server {
namespace {

using Status = ProxyHeader::Status;

void check(std::string_view received) {
  const ProxyHeader header = parse_proxy_header(received);
  const ProxyHeader longer = parse_proxy_header(std::string(received) + "GET / HTTP/1.1\r\n");
  switch (header.status) {
    case Status::need_more:
      EXPECT_LE(received.size(), kMaxProxyHeaderBytes);
      break;
    case Status::malformed:
      EXPECT_EQ(longer.status, Status::malformed);
      break;
    case Status::complete: {
      ASSERT_GT(header.size, 0u);
      ASSERT_LE(header.size, received.size());
      EXPECT_LE(header.size, kMaxProxyHeaderBytes);
      EXPECT_EQ(longer.status, Status::complete);
      EXPECT_EQ(longer.size, header.size);
      EXPECT_EQ(longer.client, header.client);
      bool is_early = false;
      for (std::size_t size = 0; size < header.size; ++size) {
        is_early =
            is_early || parse_proxy_header(received.substr(0, size)).status != Status::need_more;
      }
      EXPECT_FALSE(is_early);
    }
  }
}

}  // namespace
}  // namespace voicechan::server

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  voicechan::server::check({reinterpret_cast<const char*>(data), size});
  return 0;
}

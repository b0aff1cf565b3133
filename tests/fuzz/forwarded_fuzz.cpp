#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "forwarded.hpp"

// The input is what a client sends in the field in which proxies name him. Whatever it is, the
// address that the trusted proxy adds to it is the client's; at worst it is the proxy's own.

namespace voicechan::server {
namespace {

void check(std::string_view invented) {
  TrustedProxies trusted;
  trusted.add(*Network::parse("10.0.0.0/8"));
  const ClientAddress proxy = *parse_address("10.0.0.1");
  const ClientAddress client = *parse_address("203.0.113.7");
  const std::string before(invented);

  for (const auto field : {ForwardedField::x_forwarded_for, ForwardedField::forwarded}) {
    (void)find_client(field, invented, proxy, trusted);
  }
  EXPECT_EQ(find_client(ForwardedField::x_forwarded_for, before + ", 203.0.113.7", proxy, trusted),
            client);
  EXPECT_EQ(find_client(ForwardedField::x_forwarded_for, before + ", 203.0.113.7, 10.9.9.9", proxy,
                        trusted),
            client);
  const ClientAddress found =
      find_client(ForwardedField::forwarded, before + ", for=203.0.113.7", proxy, trusted);
  EXPECT_TRUE(found == client || found == proxy);
}

}  // namespace
}  // namespace voicechan::server

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  voicechan::server::check({reinterpret_cast<const char*>(data), size});
  return 0;
}

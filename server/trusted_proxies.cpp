#include "trusted_proxies.hpp"

#include <charconv>
#include <string>

namespace voicechan::server {
namespace {

constexpr unsigned kIpv4Offset = 96;  // where the IPv4 address begins in an IPv4-mapped one

}  // namespace

std::optional<ClientAddress> parse_address(std::string_view text) {
  if (text.find('%') != std::string_view::npos) return std::nullopt;  // a scope is nobody's address
  asio::error_code error;
  const auto address = asio::ip::make_address(std::string(text), error);
  if (error) return std::nullopt;
  return ClientAddress(address);
}

std::optional<Network> Network::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  const auto address = parse_address(host);
  if (!address) return std::nullopt;
  const bool is_v4 = host.find(':') == std::string_view::npos;
  const unsigned offset = is_v4 ? kIpv4Offset : 0;
  unsigned bits = 128 - offset;
  if (slash != std::string_view::npos) {
    const std::string_view prefix = text.substr(slash + 1);
    const unsigned most = bits;
    const auto [end, error] = std::from_chars(prefix.data(), prefix.data() + prefix.size(), bits);
    if (error != std::errc() || end != prefix.data() + prefix.size() || bits > most) {
      return std::nullopt;
    }
  }
  return Network(*address, offset + bits);
}

bool Network::contains(const ClientAddress& address) const noexcept {
  const auto& ours = address_.bytes();
  const auto& theirs = address.bytes();
  const std::size_t whole = prefix_bits_ / 8;
  if (!std::equal(ours.begin(), ours.begin() + static_cast<std::ptrdiff_t>(whole),
                  theirs.begin())) {
    return false;
  }
  const unsigned rest = prefix_bits_ % 8;
  return rest == 0 || ((ours[whole] ^ theirs[whole]) >> (8 - rest)) == 0;
}

}  // namespace voicechan::server

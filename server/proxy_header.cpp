#include "proxy_header.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "trusted_proxies.hpp"

namespace voicechan::server {
namespace {

using Status = ProxyHeader::Status;

constexpr std::string_view kSignatureV2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view kSignatureV1 = "PROXY ";
constexpr std::size_t kMaxV1Bytes = 107;
constexpr std::size_t kFixedV2Bytes = 16;

bool begins_alike(std::string_view a, std::string_view b) {
  const std::size_t size = std::min(a.size(), b.size());
  return a.substr(0, size) == b.substr(0, size);
}

bool is_port(std::string_view text) {
  if (text.empty() || text.size() > 5) return false;
  unsigned value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value <= 65'535;
}

std::vector<std::string_view> split_at_spaces(std::string_view text) {
  std::vector<std::string_view> words;
  for (;;) {
    const std::size_t space = text.find(' ');
    words.push_back(text.substr(0, space));
    if (space == std::string_view::npos) return words;
    text.remove_prefix(space + 1);
  }
}

/// "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n", or "PROXY UNKNOWN…\r\n"
ProxyHeader parse_v1(std::string_view received) {
  const std::size_t end = received.substr(0, kMaxV1Bytes).find('\n');
  if (end == std::string_view::npos) {
    return {received.size() < kMaxV1Bytes ? Status::need_more : Status::malformed, 0, {}};
  }
  const ProxyHeader malformed{Status::malformed, 0, {}};
  if (received[end - 1] != '\r') return malformed;
  const auto words = split_at_spaces(received.substr(0, end - 1));
  if (words[1] == "UNKNOWN") return {Status::complete, end + 1, {}};
  const bool is_v4 = words[1] == "TCP4";
  if ((!is_v4 && words[1] != "TCP6") || words.size() != 6) return malformed;
  const bool is_shown_as_v4 = words[2].find(':') == std::string_view::npos;
  const auto client = parse_address(words[2]);
  if (!client || !parse_address(words[3]) || is_shown_as_v4 != is_v4 || !is_port(words[4]) ||
      !is_port(words[5])) {
    return malformed;
  }
  return {Status::complete, end + 1, client};
}

template <class Address>
ClientAddress address_at(std::string_view bytes) {
  typename Address::bytes_type raw;
  std::memcpy(raw.data(), bytes.data(), raw.size());
  return ClientAddress(asio::ip::address(Address(raw)));
}

ProxyHeader parse_v2(std::string_view received) {
  const ProxyHeader malformed{Status::malformed, 0, {}};
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(received[i]); };
  constexpr unsigned kLocal = 0x20;
  constexpr unsigned kProxy = 0x21;
  const std::size_t present = received.size();
  if (present > 12 && byte(12) != kLocal && byte(12) != kProxy) return malformed;
  if (present < kFixedV2Bytes) return {};
  const std::size_t length = static_cast<std::size_t>(byte(14)) << 8 | byte(15);
  if (kFixedV2Bytes + length > kMaxProxyHeaderBytes) return malformed;
  ProxyHeader header{Status::complete, kFixedV2Bytes + length, {}};
  const std::string_view addresses = received.substr(kFixedV2Bytes);
  if (byte(12) == kProxy) {
    constexpr unsigned kUnspecified = 0x00;
    constexpr unsigned kTcp4 = 0x11;
    constexpr unsigned kTcp6 = 0x21;
    constexpr unsigned kUnixStream = 0x31;
    const unsigned family = byte(13);
    const std::size_t wanted = family == kTcp4 ? 12 : family == kTcp6 ? 36 : 0;
    if (wanted == 0 && family != kUnspecified && family != kUnixStream) return malformed;
    if (length < wanted) return malformed;
    if (present < header.size) return {};
    if (family == kTcp4) header.client = address_at<asio::ip::address_v4>(addresses);
    if (family == kTcp6) header.client = address_at<asio::ip::address_v6>(addresses);
  }
  return present < header.size ? ProxyHeader{} : header;
}

}  // namespace

ProxyHeader parse_proxy_header(std::string_view received) {
  if (begins_alike(received, kSignatureV2)) {
    return received.size() < kSignatureV2.size() ? ProxyHeader{} : parse_v2(received);
  }
  if (begins_alike(received, kSignatureV1)) {
    return received.size() < kSignatureV1.size() ? ProxyHeader{} : parse_v1(received);
  }
  return {Status::malformed, 0, {}};
}

}  // namespace voicechan::server

#include "ice_url.hpp"

#include <algorithm>
#include <asio/ip/address.hpp>
#include <charconv>
#include <optional>
#include <string>

#include "header_tokens.hpp"

namespace voicechan::server {
namespace {

constexpr std::size_t kMaxNameBytes = 253;
constexpr std::size_t kMaxLabelBytes = 63;

std::optional<IceUrlKind> kind_of(std::string_view scheme) noexcept {
  if (scheme == "stun:" || scheme == "stuns:") return IceUrlKind::stun;
  if (scheme == "turn:" || scheme == "turns:") return IceUrlKind::turn;
  return std::nullopt;
}

bool is_label(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kMaxLabelBytes && text.front() != '-' &&
         text.back() != '-' && std::all_of(text.begin(), text.end(), [](char c) {
           return is_alphanumeric(c) || c == '-' || c == '_';
         });
}

bool is_name(std::string_view text) noexcept {
  if (text.size() > kMaxNameBytes) return false;
  for (;;) {
    const std::size_t dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

/// Whether its last part is a number: such a host is an address or a mistake.
bool ends_in_number(std::string_view host) noexcept {
  const std::string_view last = host.substr(host.rfind('.') + 1);
  return !last.empty() && std::all_of(last.begin(), last.end(), is_digit);
}

bool is_host(std::string_view text) {
  asio::error_code error;
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
    // A zone ("%eth0") means nothing on another machine.
    if (text.find('%') != std::string_view::npos) return false;
    asio::ip::make_address_v6(std::string(text), error);
    return !error;
  }
  if (!ends_in_number(text)) return is_name(text);
  asio::ip::make_address_v4(std::string(text), error);
  return !error;
}

bool is_port(std::string_view text) noexcept {
  unsigned port = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  return error == std::errc() && stop == end && port >= 1 && port <= 65535;
}

}  // namespace

std::variant<IceUrlKind, std::string_view> check_ice_url(std::string_view url) {
  const std::string_view scheme = url.substr(0, url.find(':') + 1);  // empty without a colon
  const auto kind = kind_of(scheme);
  if (!kind) return "it does not begin with stun:, stuns:, turn: or turns:";
  std::string_view rest = url.substr(scheme.size());

  const std::size_t query = std::min(rest.find('?'), rest.size());
  const std::string_view parameters = rest.substr(query);
  rest = rest.substr(0, query);
  if (!parameters.empty() && *kind == IceUrlKind::stun)
    return "a STUN URL has nothing after a \"?\"";
  if (!parameters.empty() && parameters != "?transport=udp" && parameters != "?transport=tcp") {
    return "only ?transport=udp or ?transport=tcp may be at its end";
  }

  const std::size_t bracket = rest.rfind(']');
  const std::size_t colon = rest.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (!is_host(rest.substr(0, colon))) return "its host is neither a name nor an address";
  if (colon != std::string_view::npos && !is_port(rest.substr(colon + 1))) {
    return "its port is not from 1 to 65535";
  }
  return *kind;
}

}  // namespace voicechan::server

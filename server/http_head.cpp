#include "http_head.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "header_tokens.hpp"

namespace voicechan::server {
namespace {

constexpr HttpFailure kBadHost{400, "The Host field is not valid."};

std::size_t count_fields(const HttpRequest& request, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(request.fields.begin(), request.fields.end(),
                    [name](const auto& field) { return field.first == name; }));
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) noexcept {
  return equals_ignoring_case(text.substr(0, prefix.size()), prefix);
}

bool is_ipv6_address(std::string_view text) {
  in6_addr ignored;
  return inet_pton(AF_INET6, std::string(text).c_str(), &ignored) == 1;
}

bool is_port(std::string_view text) noexcept {
  if (text.empty()) return true;  // RFC 3986 3.2.3 has it
  std::uint16_t ignored = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), ignored);
  return error == std::errc() && stop == text.data() + text.size();
}

// RFC 9110 7.2: uri-host [ ":" port ], as RFC 3986 defines them.
bool is_host(std::string_view text) {
  std::size_t at = 0;
  if (!text.empty() && text.front() == '[') {
    at = text.find(']');
    if (at == std::string_view::npos || !is_ipv6_address(text.substr(1, at - 1))) return false;
    ++at;
  } else {
    constexpr std::string_view kMarks = "-._~!$&'()*+,;=";
    for (; at < text.size() && text[at] != ':'; ++at) {
      if (text[at] == '%') {
        if (text.size() - at < 3 || !is_hex(text[at + 1]) || !is_hex(text[at + 2])) return false;
        at += 2;
      } else if (!is_alphanumeric(text[at]) && kMarks.find(text[at]) == std::string_view::npos) {
        return false;
      }
    }
  }
  if (at == text.size()) return true;
  return text[at] == ':' && is_port(text.substr(at + 1));
}

HttpFailure check_host(const HttpRequest& request) {
  const std::size_t hosts = count_fields(request, "host");
  if (hosts == 0 && !request.is_http_1_0) return {400, "The Host field is missing."};
  if (hosts > 1) return {400, "There is more than one Host field."};
  if (!is_host(request.field("host"))) return kBadHost;
  return {};
}

// Beast has seen to numbers, conflicts and lengths with chunked; what it lets pass is refused here.
HttpFailure check_framing(const HttpRequest& request) {
  const std::size_t lengths = count_fields(request, "content-length");
  const std::size_t codings = count_fields(request, "transfer-encoding");
  if (lengths + codings > 1) return kBadLength;
  if (lengths == 1) {
    const std::string length = request.field("content-length");
    if (!std::all_of(length.begin(), length.end(), is_digit)) {
      return kBadLength;
    }
  }
  if (codings == 0) return {};
  const std::string coding = request.field("transfer-encoding");
  const auto codings_listed = split_list(coding);
  if (request.is_http_1_0 || codings_listed.empty() ||
      !std::all_of(codings_listed.begin(), codings_listed.end(), is_token)) {
    return kBadLength;
  }
  // The length is not known unless chunked comes last, and once (RFC 9112 6.1 and 6.3).
  const auto is_chunked = [](const std::string& name) {
    return equals_ignoring_case(name, "chunked");
  };
  if (std::any_of(codings_listed.begin(), codings_listed.end() - 1, is_chunked)) return kBadLength;
  if (!is_chunked(coding)) {
    return {501, "The only transfer coding known here is chunked."};
  }
  return {};
}

// Brings absolute-form to origin-form; its authority takes the place of Host (RFC 9112 3.2.2).
HttpFailure normalize_target(HttpRequest& request) {
  if (request.method == "CONNECT") return {501, "This server is no proxy."};
  if (request.target.front() == '/') return {};
  if (request.target == "*") return request.method == "OPTIONS" ? HttpFailure{} : kBadTarget;

  std::string_view rest = request.target;
  if (starts_with_ignoring_case(rest, "http://")) {
    rest.remove_prefix(7);
  } else if (starts_with_ignoring_case(rest, "https://")) {
    rest.remove_prefix(8);
  } else {
    return kBadTarget;
  }
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
  if (authority.empty() || authority.front() == ':' || !is_host(authority)) return kBadTarget;
  for (auto& [name, value] : request.fields) {
    if (name == "host") value = authority;
  }
  rest.remove_prefix(authority.size());
  if (rest.empty() && request.method == "OPTIONS") {  // about the server (RFC 9112 3.2.4)
    request.target = "*";
    return {};
  }
  std::string target = rest.empty() || rest.front() != '/' ? "/" : "";
  target += rest;
  request.target = std::move(target);
  return {};
}

HttpFailure check_expectation(const HttpRequest& request) {
  for (const auto& [name, value] : request.fields) {
    if (name == "expect" && !request.is_http_1_0 && !equals_ignoring_case(value, "100-continue")) {
      return {417, "The only expectation known here is 100-continue."};
    }
  }
  return {};
}

}  // namespace

HttpFailure complete_head(HttpRequest& request) {
  if (const HttpFailure failure = check_host(request)) return failure;
  if (const HttpFailure failure = check_framing(request)) return failure;
  if (const HttpFailure failure = normalize_target(request)) return failure;
  if (const HttpFailure failure = check_expectation(request)) return failure;
  const std::string connection = request.field("connection");
  request.has_body_length =
      request.has_field("content-length") || request.has_field("transfer-encoding");
  request.keep_alive = !list_contains(connection, "close") &&
                       (!request.is_http_1_0 || list_contains(connection, "keep-alive"));
  return {};
}

}  // namespace voicechan::server

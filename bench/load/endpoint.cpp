#include "endpoint.hpp"

#include <netdb.h>

#include <algorithm>
#include <cctype>
#include <cstring>

namespace voicechan::load {
namespace {

std::optional<Endpoint> look_up(const std::string& host, const char* port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), port, &hints, &found) != 0 || found == nullptr) return std::nullopt;
  Endpoint endpoint;
  endpoint.size = found->ai_addrlen;
  std::memcpy(&endpoint.address, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return endpoint;
}

}  // namespace

std::optional<Endpoint> find_endpoint(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  std::string host = text.substr(0, colon);
  const std::string port = text.substr(colon + 1);
  const bool is_number =
      !port.empty() && port.size() <= 5 &&
      std::all_of(port.begin(), port.end(), [](unsigned char c) { return std::isdigit(c); });
  if (!is_number || std::stoi(port) < 1 || std::stoi(port) > 65535) return std::nullopt;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return look_up(host, port.c_str(), 0);
}

std::optional<Endpoint> find_local_address(const std::string& text) {
  return look_up(text, nullptr, AI_NUMERICHOST);
}

}  // namespace voicechan::load

#include "handshake.hpp"

#include <algorithm>
#include <cctype>

namespace voicechan::load {
namespace {

// The pair of RFC 6455, section 1.3. The key only proves that the server speaks WebSocket; with a
// constant one, nobody needs SHA-1 here.
constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

constexpr std::size_t kMaxHeadBytes = 16 * 1024;

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// The value of the first header field of this lower-case name; empty if there is none.
std::string_view field_of(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at)) {
    at += 2;
    const std::string_view line = head.substr(at, head.find("\r\n", at) - at);
    const std::size_t colon = line.find(':');
    if (colon != line.npos && lower(line.substr(0, colon)) == name) {
      return trimmed(line.substr(colon + 1));
    }
  }
  return {};
}

HandshakeAnswer refused(std::string why) {
  return {HandshakeAnswer::Status::refused, 0, std::move(why)};
}

}  // namespace

std::string handshake_request(std::string_view host, std::string_view path, std::string_view key) {
  std::string request = "GET ";
  request.append(path).append(" HTTP/1.1\r\nHost: ").append(host);
  request.append("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
  request.append("Sec-WebSocket-Key: ").append(kKey).append("\r\n");
  if (!key.empty()) request.append("Authorization: Token ").append(key).append("\r\n");
  return request.append("\r\n");
}

HandshakeAnswer read_handshake(std::string_view bytes) {
  const std::size_t end = bytes.find("\r\n\r\n");
  if (end == bytes.npos) {
    if (bytes.size() > kMaxHeadBytes) return refused("the response has no end");
    return {};
  }
  const std::string_view head = bytes.substr(0, end + 2);
  const std::string_view status = head.substr(0, head.find("\r\n"));
  if (status.substr(0, 9) != "HTTP/1.1 ") return refused("the response is not HTTP/1.1");
  if (status.substr(9, 3) != "101") return refused(std::string(status.substr(9)));
  if (lower(field_of(head, "upgrade")) != "websocket" ||
      field_of(head, "sec-websocket-accept") != kAccept) {
    return refused("101, but not to WebSocket");
  }
  return {HandshakeAnswer::Status::accepted, end + 4, {}};
}

std::string path_of_room(std::string_view path_template, std::string_view room) {
  constexpr std::string_view kRoom = "{room}";
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string name;
  for (const char c : room) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || std::string_view("-._~").find(c) != std::string_view::npos) {
      name += c;
    } else {
      name.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  std::string path;
  for (;;) {
    const std::size_t at = path_template.find(kRoom);
    path.append(path_template.substr(0, at));
    if (at == path_template.npos) return path;
    path.append(name);
    path_template.remove_prefix(at + kRoom.size());
  }
}

}  // namespace voicechan::load

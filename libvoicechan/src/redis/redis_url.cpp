#include "redis/redis_url.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>
#include <system_error>

namespace voicechan::redis {
namespace {

constexpr std::size_t kMaxPasswordBytes = 4096;

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    unsigned byte = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const char* const end = text.data() + i + 3;
    const auto result = std::from_chars(text.data() + i + 1, end, byte, 16);
    if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
    decoded.push_back(static_cast<char>(byte));
    i += 2;
  }
  return decoded;
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  return result.ec == std::errc() && result.ptr == end;
}

bool is_ipv6(const std::string& text) {
  in6_addr address;
  return inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

bool is_host_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '.' || c == '_';
}

/// What is wrong with `user:password`; empty if nothing is.
std::string read_user(std::string_view text, RedisUrl& url) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) {
    return "before '@' it needs user:password, or :password for the user \"default\"";
  }
  auto user = percent_decoded(text.substr(0, colon));
  auto password = percent_decoded(text.substr(colon + 1));
  if (!user || !password) return "in user and password, '%' must be followed by two hex digits";
  url.user = std::move(*user);
  url.password = std::move(*password);
  return {};
}

std::string read_host(std::string_view text, RedisUrl& url) {
  std::string_view port;
  bool has_port = false;
  if (!text.empty() && text.front() == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return "the '[' before an IPv6 address is never closed";
    url.host = std::string(text.substr(1, end - 1));
    if (!is_ipv6(url.host)) return "between '[' and ']' there must be an IPv6 address";
    const auto rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') return "after ']' only ':' and a port may follow";
    has_port = !rest.empty();
    port = has_port ? rest.substr(1) : rest;
  } else {
    const auto colon = text.find(':');
    has_port = colon != std::string_view::npos;
    url.host = std::string(text.substr(0, colon));
    if (has_port) port = text.substr(colon + 1);
    if (port.find(':') != std::string_view::npos) return "an IPv6 address needs '[' and ']'";
    if (url.host.empty()) return "it names no host";
    if (!std::all_of(url.host.begin(), url.host.end(), is_host_character)) {
      return "the host has a character that no host name has";
    }
  }
  if (has_port && (!read_number(port, url.port) || url.port == 0)) {
    return "the port must be a number from 1 to 65535";
  }
  return {};
}

std::string read_parameters(std::string_view text, RedisUrl& url) {
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const auto parameter = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto equals = std::min(parameter.find('='), parameter.size());
    const auto name = parameter.substr(0, equals);
    const auto value = percent_decoded(parameter.substr(std::min(equals + 1, parameter.size())));
    if (!value) return "after '?', '%' must be followed by two hex digits";
    if (name != "ca" && name != "password-file") {
      return "after '?' only ca=FILE and password-file=FILE are known";
    }
    if (value->empty()) return "after '?' a file has no name";
    if (name == "ca" && !url.is_tls) return "ca=FILE needs rediss://";
    (name == "ca" ? url.ca_file : url.password_file) = *value;
  }
  if (!url.password_file.empty() && !url.password.empty()) {
    return "it has a password and a password-file";
  }
  return {};
}

std::string read_url(std::string_view text, RedisUrl& url) {
  constexpr std::string_view kPlain = "redis://";
  constexpr std::string_view kTls = "rediss://";
  url.is_tls = text.substr(0, kTls.size()) == kTls;
  if (!url.is_tls && text.substr(0, kPlain.size()) != kPlain) {
    return "it must begin with redis:// or rediss://";
  }
  text.remove_prefix(url.is_tls ? kTls.size() : kPlain.size());
  const bool has_odd_bytes = std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '\x7F';
  });
  if (has_odd_bytes) return "it has a space or a control character";

  // A password that is not %-encoded may hold what ends the authority elsewhere.
  const auto at = text.rfind('@', text.find('?'));
  if (at != std::string_view::npos) {
    if (auto problem = read_user(text.substr(0, at), url); !problem.empty()) return problem;
    text.remove_prefix(at + 1);
  }
  const auto question = std::min(text.find('?'), text.size());
  const auto parameters = text.substr(std::min(question + 1, text.size()));
  text = text.substr(0, question);
  const auto slash = std::min(text.find('/'), text.size());
  const auto database = text.substr(std::min(slash + 1, text.size()));
  if (!database.empty() && (!read_number(database, url.database) || url.database < 0)) {
    return "after '/' only the number of a database may follow";
  }
  if (auto problem = read_host(text.substr(0, slash), url); !problem.empty()) return problem;
  return read_parameters(parameters, url);
}

struct Close {
  void operator()(std::FILE* file) const { (void)std::fclose(file); }
};

}  // namespace

std::string RedisUrl::display() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  std::string text = is_tls ? "rediss://" : "redis://";
  text += is_v6 ? "[" + host + "]" : host;
  text += ":" + std::to_string(port);
  if (database != 0) text += "/" + std::to_string(database);
  return text;
}

std::variant<RedisUrl, std::string> parse_redis_url(std::string_view text) {
  RedisUrl url;
  std::string problem = read_url(text, url);
  if (!problem.empty()) return "the URL of a Redis server cannot be used: " + problem;
  return url;
}

std::string load_password(RedisUrl& url) {
  if (url.password_file.empty()) return {};
  const std::string problem = "cannot take the password from " + url.password_file + ": ";
  const std::unique_ptr<std::FILE, Close> file(std::fopen(url.password_file.c_str(), "re"));
  if (!file) return problem + std::generic_category().message(errno);
  std::string text(kMaxPasswordBytes + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return problem + std::generic_category().message(errno);
  if (text.size() > kMaxPasswordBytes) return problem + "the file is too long";
  text.resize(std::min(text.find_first_of("\r\n"), text.size()));
  if (text.empty()) return problem + "its first line is empty";
  url.password = std::move(text);
  return {};
}

}  // namespace voicechan::redis

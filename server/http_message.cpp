#include "http_message.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <iterator>

#include "header_tokens.hpp"

namespace voicechan::server {
namespace {

/// Of the statuses that we send; nothing depends on it (RFC 9112, section 4).
std::string_view reason_phrase(unsigned status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

}  // namespace

std::string HttpRequest::field(std::string_view lower_case_name) const {
  std::string joined;
  bool is_first = true;
  for (const auto& [name, value] : fields) {
    if (name != lower_case_name) continue;
    if (!is_first) joined += ", ";
    joined += value;
    is_first = false;
  }
  return joined;
}

bool HttpRequest::has_field(std::string_view lower_case_name) const {
  return std::any_of(fields.begin(), fields.end(),
                     [&](const auto& field) { return field.first == lower_case_name; });
}

std::string serialize(const HttpResponse& response, bool is_http_1_0, bool keep_alive, bool is_head,
                      std::string_view date) {
  const bool has_no_content =
      response.status < 200 || response.status == 204 || response.status == 304;
  std::string text = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  text.reserve(512 + response.body.size());
  text += reason_phrase(response.status);
  text += "\r\n";
  const auto add = [&text](std::string_view name, std::string_view value) {
    text.append(name).append(": ");
    std::transform(value.begin(), value.end(), std::back_inserter(text),
                   [](char c) { return is_control(c) ? ' ' : c; });
    text += "\r\n";
  };

  const auto add_default = [&](std::string_view name, std::string_view value) {
    const bool is_given =
        std::any_of(response.fields.begin(), response.fields.end(),
                    [name](const auto& field) { return equals_ignoring_case(field.first, name); });
    if (!is_given) add(name, value);
  };

  add("Date", date);
  add_default("Content-Type", "application/json");
  if (!has_no_content) add("Content-Length", std::to_string(response.body.size()));
  std::string connection = !keep_alive ? "close" : is_http_1_0 ? "keep-alive" : "";
  add("X-Content-Type-Options", "nosniff");
  add_default("Cache-Control", "no-store");
  add("Referrer-Policy", "no-referrer");
  add_default("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
  add("Vary", "Origin");
  for (const auto& [name, value] : response.fields) {
    if (!is_token(name)) continue;
    add(name, value);
    if (equals_ignoring_case(name, "upgrade")) {
      connection += connection.empty() ? "upgrade" : ", upgrade";
    }
  }
  if (!connection.empty()) add("Connection", connection);
  text += "\r\n";
  if (!is_head && !has_no_content) text += response.body;
  return text;
}

std::string format_http_date(std::int64_t unix_seconds) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  constexpr std::int64_t kEndOfYear9999 = 253402300799;  // the year has four digits

  const std::time_t seconds = std::clamp<std::int64_t>(unix_seconds, 0, kEndOfYear9999);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 64> text{};
  (void)std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                      kDays[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                      kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900,
                      utc.tm_hour, utc.tm_min, utc.tm_sec);
  return text.data();
}

}  // namespace voicechan::server

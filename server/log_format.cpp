#include "log_format.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/nowide/utf/utf.hpp>

#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace voicechan::server {
namespace {

class PrintableMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string text = printable({message.payload.data(), message.payload.size()});
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<PrintableMessage>();
  }
};

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    spdlog::memory_buf_t time;
    time_.format(message, time);
    const spdlog::string_view_t level = spdlog::level::to_string_view(message.level);
    const boost::json::object object{
        {"time", boost::json::string_view(time.data(), time.size())},
        {"level", boost::json::string_view(level.data(), level.size())},
        {"message", boost::json::string_view(message.payload.data(), message.payload.size())}};
    const std::string line = ascii_json(boost::json::serialize(object)) + '\n';
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>();
  }

 private:
  spdlog::pattern_formatter time_{"%Y-%m-%dT%H:%M:%S.%fZ", spdlog::pattern_time_type::utc, ""};
};

void append_escaped(std::string& out, std::uint32_t unit) {
  constexpr char kDigits[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kDigits[(unit >> shift) & 15];
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string line;
  line.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '\\') {
      line += c;
    } else {
      line += "\\x";
      line += kDigits[byte >> 4];
      line += kDigits[byte & 15];
    }
  }
  return line;
}

std::string ascii_json(std::string_view json) {
  using Utf8 = boost::nowide::utf::utf_traits<char>;
  std::string text;
  text.reserve(json.size());
  const char* at = json.data();
  const char* const end = at + json.size();
  while (at != end) {
    const char* const start = at;
    std::uint32_t character = Utf8::decode(at, end);
    if (!boost::nowide::utf::is_valid_codepoint(character)) {
      character = 0xfffd;
      at = start + 1;  // what follows may be good again
    }
    if (character < 0x7f) {
      text += static_cast<char>(character);
    } else if (character < 0x10000) {
      append_escaped(text, character);
    } else {
      append_escaped(text, 0xd800 + ((character - 0x10000) >> 10));
      append_escaped(text, 0xdc00 + ((character - 0x10000) & 0x3ff));
    }
  }
  return text;
}

std::unique_ptr<spdlog::formatter> make_log_formatter(LogFormat format) {
  if (format == LogFormat::json) return std::make_unique<JsonFormatter>();
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<PrintableMessage>('*').set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %*");
  return formatter;
}

void set_up_log(spdlog::level::level_enum level, LogFormat format) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("voicechan"));
  spdlog::set_formatter(make_log_formatter(format));
  spdlog::set_level(level);
  spdlog::flush_on(spdlog::level::debug);
}

}  // namespace voicechan::server

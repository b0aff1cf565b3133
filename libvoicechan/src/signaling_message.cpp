#include "signaling_message.hpp"

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>

namespace voicechan {
namespace {

namespace json = boost::json;

/// Accepts everything: the parser alone decides whether a text is JSON.
struct ValidationHandler {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  using error_code = json::error_code;
  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return true; }
  bool on_object_end(std::size_t, error_code&) { return true; }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t, error_code&) { return true; }
  bool on_key_part(json::string_view, std::size_t, error_code&) { return true; }
  bool on_key(json::string_view, std::size_t, error_code&) { return true; }
  bool on_string_part(json::string_view, std::size_t, error_code&) { return true; }
  bool on_string(json::string_view, std::size_t, error_code&) { return true; }
  bool on_number_part(json::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, error_code&) { return true; }
  bool on_uint64(std::uint64_t, json::string_view, error_code&) { return true; }
  bool on_double(double, json::string_view, error_code&) { return true; }
  bool on_bool(bool, error_code&) { return true; }
  bool on_null(error_code&) { return true; }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }
};

bool is_json_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_json_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_json_space(text.back())) text.remove_suffix(1);
  return text;
}

bool is_json_with_whole_surrogates(std::string_view text, std::size_t max_depth) {
  json::parse_options options;
  options.max_depth = max_depth;
  json::basic_parser<ValidationHandler> parser(options);
  json::error_code error;
  const std::size_t taken = parser.write_some(false, text.data(), text.size(), error);
  return !error && taken == text.size();
}

bool is_surrogate_escape(std::string_view text) {
  constexpr std::string_view kSecondDigits = "89ABCDEFabcdef";
  return text.size() >= 4 && text[0] == '\\' && text[1] == 'u' &&
         (text[2] == 'D' || text[2] == 'd') &&
         kSecondDigits.find(text[3]) != std::string_view::npos;
}

/// The text with other characters in place of escaped surrogates: JSON if and only if `text` is.
std::string without_surrogates(std::string_view text) {
  std::string copy(text);
  for (std::size_t i = 0; (i = copy.find('\\', i)) != std::string::npos; ++i) {
    if (is_surrogate_escape(text.substr(i))) copy[i + 2] = 'E';
  }
  return copy;
}

}  // namespace

// RFC 8259 allows an escape to name half a surrogate pair, and JavaScript writes such for a string
// that was cut within an emoji. Boost.JSON does not take them, so they are taken out of its sight.
bool is_json(std::string_view text, std::size_t max_depth) {
  return is_json_with_whole_surrogates(text, max_depth) ||
         is_json_with_whole_surrogates(without_surrogates(text), max_depth);
}

namespace {

/// One member of an object, as it is written: `"key" : value`.
struct Member {
  std::string_view text;
  std::string_view key;    // with quotes
  std::string_view value;  // without surrounding space
};

/// Walks the members of a JSON object that has been found valid, so it need not check anything.
class MemberReader {
 public:
  explicit MemberReader(std::string_view object)
      : rest_(object.substr(1, object.size() - 2)) {}  // without the braces

  std::optional<Member> next() {
    rest_ = trim(rest_);
    if (rest_.empty()) return std::nullopt;
    const std::size_t key_size = string_size(rest_);
    const std::size_t colon = rest_.find(':', key_size);
    const std::size_t end = value_end(colon + 1);
    Member member;
    member.text = trim(rest_.substr(0, end));
    member.key = rest_.substr(0, key_size);
    member.value = trim(rest_.substr(colon + 1, end - colon - 1));
    rest_.remove_prefix(end < rest_.size() ? end + 1 : end);  // the comma
    return member;
  }

 private:
  /// The size of the string literal that `text` starts with, quotes included.
  static std::size_t string_size(std::string_view text) {
    std::size_t i = 1;
    while (text[i] != '"') i += text[i] == '\\' ? 2 : 1;
    return i + 1;
  }

  /// Where the value that starts at `i` ends: at the member's comma or at the end.
  std::size_t value_end(std::size_t i) const {
    std::size_t depth = 0;
    while (i < rest_.size()) {
      const char c = rest_[i];
      if (c == '"') {
        i += string_size(rest_.substr(i));
        continue;
      }
      if (c == ',' && depth == 0) break;
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++i;
    }
    return i;
  }

  std::string_view rest_;
};

bool is_key(const Member& member, std::string_view name) {
  const std::string_view inner = member.key.substr(1, member.key.size() - 2);
  if (inner.find('\\') == std::string_view::npos) return inner == name;
  return string_value(member.key) == name;
}

json::string_view view(std::string_view text) { return {text.data(), text.size()}; }

bool is_message_id(std::string_view value) {
  const char first = value.front();
  return (first == '"' || first == '-' || (first >= '0' && first <= '9')) &&
         value.size() <= SignalingMessage::kMaxMessageIdBytes;
}

}  // namespace

std::optional<std::string> string_value(std::string_view literal) {
  if (literal.empty() || literal.front() != '"') return std::nullopt;
  const std::string_view inner = literal.substr(1, literal.size() - 2);
  if (inner.find('\\') == std::string_view::npos) return std::string(inner);
  json::error_code error;
  const json::value value = json::parse(json::string_view(literal.data(), literal.size()), error);
  if (error) return std::nullopt;
  return std::string(value.get_string());
}

Result<SignalingMessage> parse_signaling_message(std::string_view text, std::size_t max_depth) {
  if (!is_json(text, max_depth)) return Errc::bad_message;
  SignalingMessage message;
  message.text = trim(text);
  if (message.text.front() != '{') return Errc::bad_message;
  MemberReader members(message.text);
  while (const auto member = members.next()) {
    if (is_key(*member, "type")) {
      message.type = string_value(member->value);
    } else if (is_key(*member, "to")) {
      message.to = string_value(member->value);
      message.has_to = member->value != "null";
    } else if (is_key(*member, "msg_id") && is_message_id(member->value)) {
      message.msg_id = member->value;
    }
  }
  return message;
}

std::optional<std::string_view> find_member(const SignalingMessage& message,
                                            std::string_view name) {
  std::optional<std::string_view> value;
  MemberReader members(message.text);
  while (const auto member = members.next()) {
    if (is_key(*member, name)) value = member->value;
  }
  return value;
}

std::optional<std::uint64_t> natural_value(std::string_view value) {
  std::uint64_t number = 0;
  const char* const end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::string compose_forwarded(const SignalingMessage& message, std::string_view from) {
  std::string out;
  out.reserve(message.text.size() + from.size() + 16);
  out += R"({"from":)";
  out += json::serialize(view(from));
  MemberReader members(message.text);
  while (const auto member = members.next()) {
    if (is_key(*member, "from")) continue;
    out += ',';
    out += member->text;
  }
  out += '}';
  return out;
}

std::string compose_error(Errc code, std::string_view detail, std::optional<std::string_view> to) {
  json::object error{{"type", "error"}, {"code", view(wire_code(code))}, {"detail", view(detail)}};
  if (to) error["to"] = view(*to);
  return json::serialize(error);
}

}  // namespace voicechan

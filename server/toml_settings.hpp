#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace voicechan::server {

/// One `key = value` of a TOML file.
struct TomlSetting {
  enum class Type { boolean, number, text, texts, table, other };

  std::string key;
  unsigned line = 0;
  Type type = Type::other;
  std::vector<std::string> values;  // as on a command line; none of an empty list
};

/// "a number", for messages.
std::string_view to_string(TomlSetting::Type type) noexcept;

struct TomlError {
  unsigned line = 0;
  std::string reason;
};

/// Reads a file, not into its tables; in the order of its lines. Pure.
std::variant<std::vector<TomlSetting>, TomlError> parse_toml_settings(std::string_view text);

/// `text` as a string of TOML, in quotes.
std::string toml_quoted(std::string_view text);

}  // namespace voicechan::server

#include "toml_settings.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <sstream>

namespace voicechan::server {
namespace {

using Type = TomlSetting::Type;

/// The shortest text that is read as the same number.
template <class Number>
std::string digits_of(Number number) {
  char text[32];
  const auto end = std::to_chars(std::begin(text), std::end(text), number).ptr;
  return {std::begin(text), end};
}

void take_value(const toml::node& node, TomlSetting& setting) {
  if (const auto* boolean = node.as_boolean()) {
    setting.type = Type::boolean;
    setting.values = {boolean->get() ? "true" : "false"};
  } else if (const auto* integer = node.as_integer()) {
    setting.type = Type::number;
    setting.values = {digits_of(integer->get())};
  } else if (const auto* fraction = node.as_floating_point()) {
    setting.type = Type::number;
    setting.values = {digits_of(fraction->get())};
  } else if (const auto* text = node.as_string()) {
    setting.type = Type::text;
    setting.values = {text->get()};
  } else if (node.is_table() || node.is_array_of_tables()) {
    setting.type = Type::table;
  } else if (const auto* array = node.as_array()) {
    setting.type = Type::texts;
    for (const toml::node& element : *array) {
      const auto* member = element.as_string();
      if (member == nullptr) {
        setting.type = Type::other;
        return;
      }
      setting.values.push_back(member->get());
    }
  }
}

}  // namespace

std::string_view to_string(Type type) noexcept {
  switch (type) {
    case Type::boolean:
      return "true or false";
    case Type::number:
      return "a number";
    case Type::text:
      return "a string";
    case Type::texts:
      return "a list of strings";
    case Type::table:
      return "a table";
    case Type::other:
      return "something else";
  }
  return {};
}

std::variant<std::vector<TomlSetting>, TomlError> parse_toml_settings(std::string_view text) {
  try {
    std::vector<TomlSetting> settings;
    for (const auto& [key, node] : toml::parse(text)) {
      TomlSetting setting;
      setting.key = key.str();
      setting.line = key.source().begin.line;
      take_value(node, setting);
      settings.push_back(std::move(setting));
    }
    std::stable_sort(settings.begin(), settings.end(),
                     [](const auto& left, const auto& right) { return left.line < right.line; });
    return settings;
  } catch (const toml::parse_error& error) {
    return TomlError{error.source().begin.line, std::string(error.description())};
  }
}

std::string toml_quoted(std::string_view text) {
  const toml::value<std::string> value(text);
  std::ostringstream out;
  out << toml::toml_formatter(value, toml::format_flags::none);
  return out.str();
}

}  // namespace voicechan::server

#include "effective_config.hpp"

#include <charconv>
#include <cstdint>
#include <optional>

#include "store_location.hpp"

namespace voicechan::server {
namespace {

using Type = TomlSetting::Type;

constexpr std::size_t kWidth = 100;

/// A command line takes numbers that TOML does not: +5, .5, 0x10.
std::optional<std::string> toml_number(const std::string& text) {
  std::uint64_t whole = 0;
  if (CLI::detail::lexical_cast(text, whole)) return std::to_string(whole);
  double fraction = 0;
  if (!CLI::detail::lexical_cast(text, fraction)) return std::nullopt;
  char digits[32];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), fraction).ptr;
  return std::string(std::begin(digits), end);
}

std::string toml_list(const std::vector<std::string>& values) {
  std::string list;
  for (const std::string& value : values) {
    if (!value.empty()) list += (list.empty() ? "" : ", ") + toml_quoted(value);
  }
  return '[' + list + ']';
}

/// What stands for a value: "FILE" of "FILE:…".
std::string placeholder(const CLI::Option& option) {
  const std::string name = option.get_type_name();
  return name.substr(0, name.find(":{"));
}

std::string given_value(const CLI::Option& option) {
  switch (type_of(option)) {
    case Type::boolean:
      return option.as<bool>() ? "true" : "false";
    case Type::number:
      return toml_number(option.reduced_results().front()).value_or("0");
    case Type::texts: {
      std::vector<std::string> values = option.reduced_results();
      if (placeholder(option) == "URL") {
        for (std::string& value : values) value = without_password(value);
      }
      return toml_list(values);
    }
    case Type::text:
    case Type::table:
    case Type::other:
      break;
  }
  const std::string text = option.reduced_results().front();
  return toml_quoted(placeholder(option) == "URL" ? without_password(text) : text);
}

std::string default_value(const CLI::Option& option) {
  const std::string text = option.get_default_str();
  switch (type_of(option)) {
    case Type::boolean:
      return text == "true" ? text : "false";
    case Type::number:
      // Some default is no number, but a rule.
      if (const auto number = toml_number(text)) return *number;
      return placeholder(option) + "  # default: " + text;
    case Type::texts:
      return toml_list(CLI::detail::split(text, ','));
    case Type::text:
    case Type::table:
    case Type::other:
      break;
  }
  return toml_quoted(text.empty() ? placeholder(option) : text);
}

/// " (1 to 1000)" if the option takes numbers in a range.
std::string range_of(const CLI::Option& option) {
  const std::string name = option.get_type_name();
  const std::string words = " in [";
  const std::size_t begin = name.find(words);
  const std::size_t end = name.find(']', begin);
  if (begin == std::string::npos || end == std::string::npos) return {};
  const std::string range = name.substr(begin + words.size(), end - begin - words.size());
  const std::size_t dash = range.find(" - ");
  if (dash == std::string::npos) return {};
  return " (" + range.substr(0, dash) + " to " + range.substr(dash + 3) + ')';
}

/// In lines of comments.
std::string comment(const std::string& text) {
  std::string lines;
  std::string line = "#";
  for (const std::string& word : CLI::detail::split(text, ' ')) {
    if (line.size() + 1 + word.size() > kWidth) {
      lines += line + '\n';
      line = "#";
    }
    line += ' ' + word;
  }
  return lines + line + '\n';
}

std::string paragraph(const CLI::Option& option, const OptionSources& sources) {
  std::string text = comment(option.get_description() + range_of(option));
  for (const CLI::Option* needed : sources.needed_by(option)) {
    text += comment("Needs " + needed->get_lnames().front() + '.');
  }
  const std::string name = option.get_lnames().front() + " = ";
  const std::string origin = sources.origin_of(option);
  if (origin.empty()) return text + '#' + name + default_value(option) + '\n';
  return text + name + given_value(option) + "  # " + origin + '\n';
}

}  // namespace

std::string effective_config(const CLI::App& command, const OptionSources& sources) {
  std::string text = comment(
      "Options of voicechan-server serve. Those that are commented out show their defaults, or "
      "what they take where there is none. The command line goes before the environment "
      "(VOICECHAN_MAX_CONNECTIONS), and that before this file. Seconds may have a fraction. File "
      "names are relative to the working folder. SIGHUP does not read this file again.");
  for (const std::string& group : command.get_groups()) {
    std::string options;
    for (const CLI::Option* option : command.get_options({})) {
      if (!is_configurable(*option) || option->get_group() != group) continue;
      options.append(1, '\n').append(paragraph(*option, sources));
    }
    if (!options.empty()) text.append("\n# --- ").append(group).append(1, '\n').append(options);
  }
  return text;
}

}  // namespace voicechan::server

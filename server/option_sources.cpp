#include "option_sources.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "nearest_name.hpp"
#include "watched_file.hpp"

namespace voicechan::server {
namespace {

using Type = TomlSetting::Type;

constexpr std::string_view kPrefix = "VOICECHAN_";
constexpr std::string_view kConfig = "config";

std::string long_name(const CLI::Option& option) { return option.get_lnames().front(); }

/// Without empty ones, and without the blanks around them.
std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  for (std::string part : CLI::detail::split(text, ',')) {
    CLI::detail::trim(part);
    if (!part.empty()) parts.push_back(std::move(part));
  }
  return parts;
}

bool is_flag_value(const std::string& text) {
  try {
    (void)CLI::detail::to_flag_value(text);
    return true;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

bool is_given(const CLI::Option& option) {
  if (option.count() == 0) return false;
  return type_of(option) != Type::boolean || option.as<bool>();
}

}  // namespace

std::string environment_name(const CLI::Option& option) {
  std::string name(kPrefix);
  for (const char c : long_name(option)) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

bool is_configurable(const CLI::Option& option) {
  return !option.get_lnames().empty() && long_name(option) != "help" &&
         long_name(option) != kConfig;
}

Type type_of(const CLI::Option& option) {
  if (option.get_expected_min() == 0) return Type::boolean;
  if (option.get_items_expected_max() > 1) return Type::texts;
  const std::string name = option.get_type_name();
  const std::string unit = name.substr(0, name.find(':'));
  const bool is_number =
      unit == "N" || unit == "UINT" || unit == "SECONDS" || unit == "MILLISECONDS";
  return is_number ? Type::number : Type::text;
}

OptionSources::OptionSources(CLI::App& command) : command_(command) {
  for (CLI::Option* option : command_.get_options([](CLI::Option*) { return true; })) {
    for (CLI::Option* needed : option->get_needs()) needs_.emplace_back(option, needed);
  }
  for (const auto& [option, needed] : needs_) option->remove_needs(needed);
}

void OptionSources::restore_needs() {
  for (const auto& [option, needed] : needs_) option->needs(needed);
}

void OptionSources::take_environment(const char* const* environment) {
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view variable = *environment;
    const std::size_t equals = variable.find('=');
    if (variable.substr(0, kPrefix.size()) != kPrefix || equals == std::string_view::npos) continue;
    take_variable(std::string(variable.substr(0, equals)),
                  std::string(variable.substr(equals + 1)));
  }
}

void OptionSources::take_variable(const std::string& name, const std::string& value) {
  if (value.empty() || name == environment_name(*command_.get_option("--config"))) return;
  const auto options = command_.get_options([&](CLI::Option* option) {
    return is_configurable(*option) && environment_name(*option) == name;
  });
  if (options.empty()) {
    const std::string meant = advice(name, true);
    if (!meant.empty()) errors_.push_back(name + ": no option has this variable" + meant);
    return;
  }
  CLI::Option& option = *options.front();
  if (option.count() != 0) return;
  const Type type = type_of(option);
  if (type == Type::boolean && !is_flag_value(value)) {
    errors_.push_back(name + ": must be true or false, not \"" + value + '"');
    return;
  }
  give(option, type == Type::texts ? split_at_commas(value) : std::vector{value}, name,
       name + ": ");
}

void OptionSources::take_file(std::string path) {
  const bool may_be_missing = path.size() > 1 && path.front() == '-';
  if (may_be_missing) path.erase(0, 1);
  const WatchedFile::Content content = WatchedFile(path).read();
  if (!content.error.empty()) {
    std::error_code unknown;
    if (may_be_missing && !std::filesystem::exists(path, unknown) && !unknown) return;
    errors_.push_back("cannot read " + path + ": " + content.error);
    return;
  }
  const auto parsed = parse_toml_settings(content.text);
  if (const auto* error = std::get_if<TomlError>(&parsed)) {
    errors_.push_back(path + ':' + std::to_string(error->line) + ": " + error->reason);
    return;
  }
  for (const TomlSetting& setting : std::get<std::vector<TomlSetting>>(parsed)) {
    take_setting(setting, path + ':' + std::to_string(setting.line));
  }
}

void OptionSources::take_setting(const TomlSetting& setting, const std::string& where) {
  CLI::Option* const option = find(setting.key);
  if (option == nullptr) {
    std::string what = ": no such option" + advice(setting.key, false);
    if (setting.key == kConfig) what = ": a file cannot name another one";
    if (setting.type == Type::table) what = ": there are no tables, all options are at the top";
    errors_.push_back(where + ": " + setting.key + what);
    return;
  }
  const Type wanted = type_of(*option);
  if (setting.type != wanted) {
    errors_.push_back(where + ": " + setting.key + ": must be " + std::string(to_string(wanted)) +
                      ", not " + std::string(to_string(setting.type)));
    return;
  }
  const bool has_zero =
      std::any_of(setting.values.begin(), setting.values.end(),
                  [](const std::string& value) { return value.find('\0') != std::string::npos; });
  if (has_zero) {
    errors_.push_back(where + ": " + setting.key + ": must not have a zero character in it");
    return;
  }
  if (option->count() != 0 || failed_.count(option) != 0 || setting.values.empty()) return;
  give(*option, setting.values, where, where + ": " + setting.key + ": ");
}

void OptionSources::give(CLI::Option& option, std::vector<std::string> values,
                         const std::string& where, const std::string& prefix) {
  if (values.empty()) return;
  try {
    option.add_result(std::move(values));
    option.run_callback();
    origins_[&option] = where;
  } catch (const CLI::ParseError& error) {
    const std::string name = "--" + long_name(option) + ": ";
    const std::string reason = error.what();
    errors_.push_back(prefix + (reason.rfind(name, 0) == 0 ? reason.substr(name.size()) : reason));
    option.clear();
    failed_.insert(&option);
  }
}

void OptionSources::check_needs() {
  for (const auto& [option, needed] : needs_) {
    if (is_given(*option) && !is_given(*needed) && failed_.count(needed) == 0) {
      const std::string message = option->get_name() + " needs " + needed->get_name();
      errors_.push_back(with_origins(message));
    }
  }
}

CLI::Option* OptionSources::find(std::string_view key) const {
  const auto options = command_.get_options(
      [&](CLI::Option* option) { return is_configurable(*option) && long_name(*option) == key; });
  return options.empty() ? nullptr : options.front();
}

std::string OptionSources::advice(const std::string& name, bool is_variable) const {
  std::vector<std::string> names;
  for (const CLI::Option* option : command_.get_options([](CLI::Option*) { return true; })) {
    if (!is_configurable(*option)) continue;
    names.push_back(is_variable ? environment_name(*option) : long_name(*option));
  }
  const std::string best = nearest_name(name, names, is_variable ? kPrefix : "");
  return best.empty() ? best : "; did you mean " + best + "?";
}

std::string OptionSources::origin_of(const CLI::Option& option) const {
  const auto found = origins_.find(&option);
  if (found != origins_.end()) return found->second;
  return option.count() == 0 ? "" : "command line";
}

std::vector<const CLI::Option*> OptionSources::needed_by(const CLI::Option& option) const {
  std::vector<const CLI::Option*> others;
  for (const auto& [needing, needed] : needs_) {
    if (needing == &option) others.push_back(needed);
  }
  return others;
}

std::string OptionSources::with_origins(std::string message) const {
  std::string origins;
  for (const auto& [option, where] : origins_) {
    const std::string name = option->get_name();
    const std::size_t at = message.find(name);
    if (at == std::string::npos) continue;
    const std::size_t end = at + name.size();
    const bool is_whole =
        end == message.size() ||
        (message[end] != '-' && std::isalnum(static_cast<unsigned char>(message[end])) == 0);
    if (is_whole) origins.append(origins.empty() ? "" : ", ").append(name + " from ").append(where);
  }
  return origins.empty() ? message : message + " (" + origins + ')';
}

}  // namespace voicechan::server

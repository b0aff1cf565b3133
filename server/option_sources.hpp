#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "command_line_parsing.hpp"
#include "toml_settings.hpp"

namespace voicechan::server {

/// VOICECHAN_MAX_CONNECTIONS for --max-connections.
std::string environment_name(const CLI::Option& option);

/// Whether this may come from elsewhere than the command line.
bool is_configurable(const CLI::Option& option);
/// What the option takes in a file.
TomlSetting::Type type_of(const CLI::Option& option);

/// Gives the options of a command that its command line has not given values of the environment,
/// then of a file. Each value goes through the validators and the callback of its option, just as
/// one of the command line. One thread at a time.
class OptionSources {
 public:
  /// What options need of others is not looked at while the command line is parsed: the rest of
  /// them is known only later. `command` must outlive this.
  explicit OptionSources(CLI::App& command);
  /// Lets the help tell again what options need.
  void restore_needs();

  /// `environment` ends with a null pointer, as `environ` does. Variables that are a letter or two
  /// off an option's are errors; others are somebody else's.
  void take_environment(const char* const* environment);
  /// A file that `path` with a "-" before it names may be missing.
  void take_file(std::string path);
  /// To be called after both.
  void check_needs();

  /// What was wrong, a line each.
  const std::vector<std::string>& errors() const noexcept { return errors_; }
  /// "max.toml:12", "VOICECHAN_DB" or "command line"; empty if the option has its default.
  std::string origin_of(const CLI::Option& option) const;
  std::vector<const CLI::Option*> needed_by(const CLI::Option& option) const;
  /// `message` about options together, with where those come from that it names and that are not on
  /// the command line.
  std::string with_origins(std::string message) const;

 private:
  CLI::Option* find(std::string_view key) const;
  std::string advice(const std::string& name, bool is_variable) const;
  void take_variable(const std::string& name, const std::string& value);
  void take_setting(const TomlSetting& setting, const std::string& where);
  void give(CLI::Option& option, std::vector<std::string> values, const std::string& where,
            const std::string& prefix);

  CLI::App& command_;
  std::vector<std::pair<CLI::Option*, CLI::Option*>> needs_;
  std::map<const CLI::Option*, std::string> origins_;
  std::set<const CLI::Option*> failed_;
  std::vector<std::string> errors_;
};

}  // namespace voicechan::server

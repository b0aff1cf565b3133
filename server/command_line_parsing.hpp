#pragma once

#include <CLI/CLI.hpp>
#include <sstream>
#include <string>

#include "command_line_exit.hpp"
#include "nearest_name.hpp"

// What the command lines of our programs have in common.

namespace voicechan {

/// Something.
inline CLI::Validator not_empty() {
  return CLI::Validator(
      [](const std::string& text) { return text.empty() ? std::string("is empty") : ""; }, "");
}

/// A number, with a fraction, between the two. CLI::Range lets NaN pass.
inline CLI::Validator between(double min, double max) {
  return CLI::Validator(
      [min, max](const std::string& text) {
        double number = 0;
        const bool is_number = CLI::detail::lexical_cast(text, number);
        if (is_number && number >= min && number <= max) return std::string();
        std::ostringstream reason;
        reason << '"' << text << "\" is not a number from " << min << " to " << max;
        return reason.str();
      },
      "");
}

/// What came where nothing more was expected, and which option may have been meant.
inline std::string tell_extras(const CLI::App& app) {
  const auto extras = app.remaining(true);
  std::vector<std::string> names;
  for (const CLI::App* command = &app; command != nullptr;) {
    for (const CLI::Option* option : command->get_options()) {
      if (!option->get_lnames().empty()) names.push_back("--" + option->get_lnames().front());
    }
    const auto parsed = command->get_subcommands();
    command = parsed.empty() ? nullptr : parsed.front();
  }
  for (const std::string& extra : extras) {
    const std::string name = extra.substr(0, extra.find('='));
    const std::string meant = nearest_name(name, names, "--");
    if (meant.empty()) continue;
    return std::string(name).append(" is not known; did you mean ").append(meant) + '?';
  }
  return "not expected: " + CLI::detail::join(extras, " ");
}

/// Parses, then calls `complete` for what the parts of the line mean together: it may throw a
/// CLI::ParseError, too. `before_help` is called before a help is written. Throws CommandLineExit.
template <class Complete, class BeforeHelp>
void parse_or_exit(CLI::App& app, int argc, const char* const* argv, Complete complete,
                   BeforeHelp before_help) {
  try {
    app.parse(argc, argv);
    complete();
  } catch (const CLI::Success& success) {
    std::ostringstream out;
    std::ostringstream ignored;
    before_help();
    app.exit(success, out, ignored);
    throw CommandLineExit{0, out.str()};
  } catch (const CLI::ExtrasError&) {
    throw CommandLineExit{2, app.get_name() + ": " + tell_extras(app) + " (--help tells more)\n"};
  } catch (const CLI::ParseError& error) {
    throw CommandLineExit{2, app.get_name() + ": " + error.what() + " (--help tells more)\n"};
  }
}

template <class Complete>
void parse_or_exit(CLI::App& app, int argc, const char* const* argv, Complete complete) {
  parse_or_exit(app, argc, argv, complete, [] {});
}

}  // namespace voicechan

#pragma once

#include <CLI/CLI.hpp>
#include <sstream>
#include <string>

#include "command_line_exit.hpp"

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
  } catch (const CLI::ParseError& error) {
    throw CommandLineExit{2, app.get_name() + ": " + error.what() + " (--help tells more)\n"};
  }
}

template <class Complete>
void parse_or_exit(CLI::App& app, int argc, const char* const* argv, Complete complete) {
  parse_or_exit(app, argc, argv, complete, [] {});
}

}  // namespace voicechan

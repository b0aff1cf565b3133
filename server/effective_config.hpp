#pragma once

#include <string>

#include "option_sources.hpp"

namespace voicechan::server {

/// The options of a command as a TOML file that has the same effect: those that were given, with
/// where they come from, and all others as comments, with their defaults.
std::string effective_config(const CLI::App& command, const OptionSources& sources);

}  // namespace voicechan::server

#pragma once

#include "command_line_parsing.hpp"
#include "options.hpp"

namespace voicechan::server {

/// Adds the options of `serve` that bound what clients may do and how long it may take.
void add_limit_options(CLI::App& serve, ServerOptions& options);

}  // namespace voicechan::server

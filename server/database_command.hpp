#pragma once

#include <memory>
#include <string>

#include "cli.hpp"
#include "voicechan/store.hpp"

// What the commands have in common that work on a database beside the server.

namespace voicechan::server {

/// Tells on standard error what went wrong; returns the exit status.
int fail(const std::string& what, int status = 1);

/// Null if it cannot be opened, or is not there and `may_create` is false; that has been told.
std::unique_ptr<Store> open_store_of(const CommandLine& line, bool may_create);

}  // namespace voicechan::server

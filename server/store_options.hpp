#pragma once

#include <string>
#include <vector>

#include "command_line_parsing.hpp"
#include "store_location.hpp"

// The options that say where users, channels and invitations are.

namespace voicechan::server {

/// No file: nothing is kept.
inline constexpr const char* kMemory = ":memory:";

/// Its messages repeat nothing of the URL, which may hold a password.
CLI::Validator redis_url();

/// Adds --db and those of Redis. Returns the last one, which needs --redis-store; that may come
/// from the environment.
CLI::Option* add_store_options(CLI::App& command, StoreLocation& store, const char* database_help);

/// Adds --redis-bus, which needs --redis-store.
CLI::Option* add_bus_option(CLI::App& serve, std::vector<std::string>& urls);

/// Adds --from and --to.
void add_migrate_options(CLI::App& migrate, StoreLocation& from, StoreLocation& to);

/// The value of a variable; empty if there is none. `environment` may be null.
std::string value_in(const char* const* environment, const std::string& name);

/// What the command line of other commands than `serve` does not say about the store.
void take_store_of(const char* const* environment, StoreLocation& store);

/// What a service's unit says: the file where neither its options nor its configuration name a
/// store, and so none that stands before them.
void take_default_database(const char* const* environment, StoreLocation& store);

/// What the options mean together, and the default. Throws CLI::ValidationError.
void complete_store(StoreLocation& store, bool is_try);

}  // namespace voicechan::server

#include "store_options.hpp"

#include <string_view>

#include "voicechan/redis_store.hpp"

namespace voicechan::server {
namespace {

CLI::Validator store_location() {
  return CLI::Validator([](const std::string& text) { return check_store_location(text); }, "");
}

}  // namespace

CLI::Validator redis_url() {
  return CLI::Validator([](const std::string& text) { return check_redis_url(text); }, "");
}

CLI::Option* add_store_options(CLI::App& command, StoreLocation& store, const char* database_help) {
  command.add_option("--db", store.database, database_help)
      ->check(not_empty())
      ->type_name("FILE")
      ->default_str("voicechan.db");
  command
      .add_option("--redis-store", store.redis_url,
                  "Instead of --db, a store that several servers share: "
                  "redis://[[USER]:PASSWORD@]HOST[:PORT][/DB], or rediss:// for TLS")
      ->check(redis_url())
      ->type_name("URL");
  return command
      .add_option("--redis-password-file", store.password_file,
                  "The password for --redis-store is its first line")
      ->check(not_empty())
      ->type_name("FILE");
}

CLI::Option* add_bus_option(CLI::App& serve, std::vector<std::string>& urls) {
  return serve
      .add_option(
          "--redis-bus", urls,
          "Share rooms, signaling and notifications with all servers that have the same bus "
          "and the same --redis-store: one or more Redis servers, separated by commas")
      ->check(redis_url())
      ->delimiter(',')
      ->allow_extra_args(false)
      ->take_all()
      ->type_name("URL");
}

void add_migrate_options(CLI::App& migrate, StoreLocation& from, StoreLocation& to) {
  const auto add = [&](const char* name, StoreLocation& location, const char* help) {
    migrate
        .add_option_function<std::string>(
            name, [&location](const std::string& text) { location = read_store_location(text); },
            help)
        ->check(store_location())
        ->type_name("STORE")
        ->required();
  };
  add("--from", from, "sqlite:FILE, or redis://… as --redis-store takes it");
  add("--to", to, "The same");
}

std::string value_in(const char* const* environment, const std::string& name) {
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view variable = *environment;
    if (variable.size() > name.size() && variable[name.size()] == '=' &&
        variable.substr(0, name.size()) == name) {
      return std::string(variable.substr(name.size() + 1));
    }
  }
  return {};
}

void take_store_of(const char* const* environment, StoreLocation& store) {
  if (!store.database.empty()) return;
  if (!store.is_redis()) {
    store.database = value_in(environment, "VOICECHAN_DB");
    store.redis_url = value_in(environment, "VOICECHAN_REDIS_STORE");
    const std::string problem = store.is_redis() ? check_redis_url(store.redis_url) : "";
    if (!problem.empty()) throw CLI::ValidationError("VOICECHAN_REDIS_STORE", problem);
  }
  if (store.is_redis() && store.password_file.empty()) {
    store.password_file = value_in(environment, "VOICECHAN_REDIS_PASSWORD_FILE");
  }
}

void take_default_database(const char* const* environment, StoreLocation& store) {
  if (store.is_redis() || !store.database.empty()) return;
  store.database = value_in(environment, "VOICECHAN_DEFAULT_DB");
}

void complete_store(StoreLocation& store, bool is_try) {
  if (store.is_redis() && !store.database.empty()) {
    throw CLI::ValidationError("--redis-store", "takes the place of --db; give one of them");
  }
  if (store.database.empty() && !store.is_redis()) {
    store.database = is_try ? kMemory : "voicechan.db";
  }
  if (!store.password_file.empty() && !store.is_redis()) {
    throw CLI::ValidationError("--redis-password-file", "needs --redis-store");
  }
}

}  // namespace voicechan::server

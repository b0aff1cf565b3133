#include "database_command.hpp"

#include <filesystem>
#include <iostream>

#include "voicechan/sqlite_store.hpp"

namespace voicechan::server {

int fail(const std::string& what, int status) {
  std::cerr << "voicechan-server: " << what << '\n';
  return status;
}

std::unique_ptr<Store> open_database(const std::string& path, bool may_create) {
  if (!may_create && !std::filesystem::exists(path)) {
    fail("there is no database " + path);
    return nullptr;
  }
  auto store = open_sqlite_store(path);
  if (store) return std::move(*store);
  fail("cannot open database " + path + ": " + store.error().message());
  return nullptr;
}

}  // namespace voicechan::server

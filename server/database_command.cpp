#include "database_command.hpp"

#include <iostream>
#include <utility>

#include "store_location.hpp"

namespace voicechan::server {

int fail(const std::string& what, int status) {
  std::cerr << "voicechan-server: " << what << '\n';
  return status;
}

std::unique_ptr<Store> open_store_of(const CommandLine& line, bool may_create) {
  auto opening = open_store(line.store, may_create);
  if (opening.store == nullptr) fail(opening.error);
  return std::move(opening.store);
}

}  // namespace voicechan::server

#include <boost/json.hpp>
#include <iostream>

#include "commands.hpp"
#include "database_command.hpp"
#include "keys.hpp"

namespace voicechan::server {
namespace {

namespace json = boost::json;

void print(const Identity& user, const std::string& key = {}) {
  json::object object{{"id", user.id.value}, {"username", user.username}};
  if (!key.empty()) object["token"] = key;
  std::cout << json::serialize(object) << '\n';
}

int list_users(Store& store) {
  const auto users = store.list_users();
  if (!users) return fail("cannot list users: " + users.error().message());
  for (const Identity& user : *users) print(user);
  return 0;
}

}  // namespace

int run_user_command(const CommandLine& line) {
  using Command = CommandLine::Command;
  const auto store = open_store_of(line, line.command == Command::user_add);
  if (store == nullptr) return 1;
  if (line.command == Command::user_list) return list_users(*store);

  const auto name = Username::parse(line.username);
  if (!name) {
    return fail("a user name has 1 to 150 characters, no white space and no control characters", 2);
  }
  if (line.command == Command::user_remove) {
    const auto removed = store->remove_user(*name);
    if (!removed) return fail("cannot remove " + line.username + ": " + removed.error().message());
    print(*removed);
    return 0;
  }
  const std::string key = make_key(system_random());
  const auto user = line.command == Command::user_add
                        ? store->create_user(*name, digest_key(key))
                        : store->replace_user_key(*name, digest_key(key));
  if (!user) {
    const bool is_new = line.command == Command::user_add;
    const std::string what = is_new ? "add " + line.username : "give " + line.username + " a key";
    return fail("cannot " + what + ": " + user.error().message());
  }
  print(*user, key);
  return 0;
}

}  // namespace voicechan::server

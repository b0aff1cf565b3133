#include <boost/json.hpp>
#include <chrono>
#include <iostream>

#include "commands.hpp"
#include "database_command.hpp"

namespace voicechan::server {
namespace {

namespace json = boost::json;

// An entry that lasts too long costs a few bytes; one that ends before its token revives it.
constexpr std::chrono::hours kDefaultLife{366 * 24};

void print(const RevokedToken& token) {
  std::cout << json::serialize(
                   json::object{{"jti", token.id}, {"until", format_rfc3339(token.until)}})
            << '\n';
}

int list_tokens(Store& store) {
  const auto tokens = store.list_revoked_tokens();
  if (!tokens) return fail("cannot list tokens: " + tokens.error().message());
  for (const RevokedToken& token : *tokens) print(token);
  return 0;
}

}  // namespace

int run_token_command(const CommandLine& line) {
  const auto store = open_store_of(line, /*may_create=*/false);
  if (store == nullptr) return 1;
  if (line.command == CommandLine::Command::token_list) return list_tokens(*store);

  const auto id = TokenId::parse(line.token_id);
  if (!id) return fail("a jti has 1 to 255 bytes and no control characters", 2);
  const WallTime now = system_clock().now();
  const WallTime until =
      line.until == 0 ? now + kDefaultLife : WallTime(std::chrono::seconds(line.until));
  if (until <= now) return fail("--until is in the past: there is nothing to revoke any more", 2);
  const auto revoked = store->revoke_token(*id, until, now);
  if (!revoked) return fail("cannot revoke " + line.token_id + ": " + revoked.error().message());
  print(*revoked);
  return 0;
}

}  // namespace voicechan::server

#include <cstdio>
#include <filesystem>

#include "voicechan/directory.hpp"
#include "voicechan/sqlite_store.hpp"

int main() {
  std::filesystem::remove("outside.db");
  auto store = voicechan::open_sqlite_store("outside.db");
  const auto username = voicechan::Username::parse("alice");
  const auto name = voicechan::ChannelName::parse("general");
  if (!store || !username || !name) return 1;

  const auto alice = (*store)->create_user(*username, {});
  if (!alice) return 1;
  voicechan::InProcessBackplane backplane(1);
  voicechan::Directory directory(**store, backplane, voicechan::system_clock());
  const auto channel = directory.create_channel(*alice, *name);
  if (!channel) return 1;

  std::printf("channel %lld is \"%s\"\n", static_cast<long long>(channel->id.value),
              channel->name.c_str());
  return directory.get_channel(*alice, channel->id) ? 0 : 1;
}

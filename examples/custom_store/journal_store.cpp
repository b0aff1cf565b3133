#include "journal_store.hpp"

#include <boost/json.hpp>
#include <exception>
#include <utility>

#include "changes.hpp"

namespace json = boost::json;
using namespace voicechan;

namespace {

using Line = json::object;

std::int64_t microseconds(WallTime time) { return time.time_since_epoch().count(); }

Line user_line(const char* change, const Username& name, const KeyDigest& key) {
  return {{"change", change}, {"name", name.str()}, {"key", json::value_from(key)}};
}

}  // namespace

Result<std::unique_ptr<Store>> JournalStore::open(const std::filesystem::path& journal) {
  std::unique_ptr<JournalStore> store(new JournalStore);
  switch (store->journal_.open(journal)) {
    case Journal::Opened::no:
      return Errc::store_unavailable;
    case Journal::Opened::locked:
      return Errc::store_locked;
    case Journal::Opened::yes:
      break;
  }
  if (!store->replay()) return Errc::store_corrupt;
  return std::unique_ptr<Store>(std::move(store));
}

bool JournalStore::replay() {
  memory_ = nullptr;
  auto memory = make_memory_store();
  const bool is_whole =
      journal_.for_each_line([&](const std::string& line) { return apply_change(line, *memory); });
  if (is_whole) memory_ = std::move(memory);
  return is_whole;
}

template <class Describe, class Change>
auto JournalStore::write(Describe describe, Change change) noexcept
    -> std::invoke_result_t<Change, Store&> {
  const std::lock_guard lock(mutex_);
  try {
    if (memory_ == nullptr) return Errc::store_unavailable;
    const std::string line = json::serialize(describe()) + '\n';
    auto result = change(*memory_);
    if (!result || journal_.append(line)) return result;
    replay();
  } catch (const std::exception&) {  // no memory
  }
  return Errc::store_unavailable;
}

Result<Channel> JournalStore::create_channel(const ChannelName& name, UserId creator, WallTime at,
                                             std::size_t quota) noexcept {
  return write(
      [&] {
        return Line{{"change", "create_channel"},
                    {"name", name.str()},
                    {"creator", creator.value},
                    {"at", microseconds(at)}};
      },
      [&](Store& memory) { return memory.create_channel(name, creator, at, quota); });
}

Result<IssuedInvitation> JournalStore::create_invitation(ChannelId channel, UserId addressee,
                                                         UserId inviter, WallTime at,
                                                         std::size_t quota) noexcept {
  return write(
      [&] {
        return Line{{"change", "create_invitation"},
                    {"channel", channel.value},
                    {"addressee", addressee.value},
                    {"inviter", inviter.value},
                    {"at", microseconds(at)}};
      },
      [&](Store& memory) {
        return memory.create_invitation(channel, addressee, inviter, at, quota);
      });
}

Result<Identity> JournalStore::create_user(const Username& name, const KeyDigest& key) noexcept {
  return write([&] { return user_line("create_user", name, key); },
               [&](Store& memory) { return memory.create_user(name, key); });
}

Result<Identity> JournalStore::replace_user_key(const Username& name,
                                                const KeyDigest& key) noexcept {
  return write([&] { return user_line("replace_user_key", name, key); },
               [&](Store& memory) { return memory.replace_user_key(name, key); });
}

Result<Identity> JournalStore::remove_user(const Username& name) noexcept {
  return write(
      [&] {
        return Line{{"change", "remove_user"}, {"name", name.str()}};
      },
      [&](Store& memory) { return memory.remove_user(name); });
}

Result<RevokedToken> JournalStore::revoke_token(const TokenId& id, WallTime until,
                                                WallTime now) noexcept {
  return write(
      [&] {
        return Line{{"change", "revoke_token"},
                    {"id", id.str()},
                    {"until", microseconds(until)},
                    {"at", microseconds(now)}};
      },
      [&](Store& memory) { return memory.revoke_token(id, until, now); });
}

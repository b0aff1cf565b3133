#include "metered_store.hpp"

#include <utility>

#include "voicechan/error.hpp"

namespace voicechan::server {

std::string_view MeteredStore::name_of(Operation operation) noexcept {
  switch (operation) {
    case Operation::create_channel:
      return "create_channel";
    case Operation::get_channel:
      return "get_channel";
    case Operation::list_channels:
      return "list_channels";
    case Operation::create_invitation:
      return "create_invitation";
    case Operation::list_invitations:
      return "list_invitations";
    case Operation::create_user:
      return "create_user";
    case Operation::replace_user_key:
      return "replace_user_key";
    case Operation::remove_user:
      return "remove_user";
    case Operation::list_users:
      return "list_users";
    case Operation::get_user:
      return "get_user";
    case Operation::get_user_by_name:
      return "get_user_by_name";
    case Operation::get_user_by_key:
      return "get_user_by_key";
    case Operation::revoke_token:
      return "revoke_token";
    case Operation::is_token_revoked:
      return "is_token_revoked";
    case Operation::list_revoked_tokens:
      return "list_revoked_tokens";
    case Operation::count_revocations:
      return "count_revocations";
  }
  return "";
}

std::string_view MeteredStore::name_of(Failure failure) noexcept {
  switch (failure) {
    case Failure::unavailable:
      return "unavailable";
    case Failure::locked:
      return "locked";
    case Failure::corrupt:
      return "corrupt";
  }
  return "";
}

void MeteredStore::count(Operation operation, std::error_code error, MonotonicTime begin) noexcept {
  const MonotonicTime end = std::chrono::steady_clock::now();
  latencies_[static_cast<std::size_t>(operation)].record(end - begin);
  const auto add = [this](Failure failure) { failures_[static_cast<std::size_t>(failure)].add(); };
  const bool is_locked = error == Errc::store_locked;
  const bool is_unavailable = error == Errc::store_unavailable;
  const bool is_corrupt = error == Errc::store_corrupt;
  if (is_locked) add(Failure::locked);
  if (is_unavailable) add(Failure::unavailable);
  if (is_corrupt) add(Failure::corrupt);
  if (operation != Operation::count_revocations) return;
  has_probe_succeeded_ = !error;
  probe_latency_ = (end - begin).count();
  probed_at_ = end.time_since_epoch().count();
}

MeteredStore::Probe MeteredStore::last_probe() const noexcept {
  return {has_probe_succeeded_, std::chrono::nanoseconds(probe_latency_),
          MonotonicTime(MonotonicTime::duration(probed_at_))};
}

template <class Call>
auto MeteredStore::measure(Operation operation, Call call) noexcept -> decltype(call()) {
  const MonotonicTime begin = std::chrono::steady_clock::now();
  auto result = call();
  count(operation, result.error(), begin);
  return result;
}

Result<Channel> MeteredStore::create_channel(const ChannelName& name, UserId creator,
                                             WallTime created_at, std::size_t quota) noexcept {
  return measure(Operation::create_channel,
                 [&] { return store_->create_channel(name, creator, created_at, quota); });
}

Result<Channel> MeteredStore::get_channel(ChannelId id) noexcept {
  return measure(Operation::get_channel, [&] { return store_->get_channel(id); });
}

Result<std::vector<Channel>> MeteredStore::list_channels(ChannelId after,
                                                         std::size_t limit) noexcept {
  return measure(Operation::list_channels, [&] { return store_->list_channels(after, limit); });
}

Result<IssuedInvitation> MeteredStore::create_invitation(ChannelId channel, UserId addressee,
                                                         UserId inviter, WallTime created_at,
                                                         std::size_t quota) noexcept {
  return measure(Operation::create_invitation, [&] {
    return store_->create_invitation(channel, addressee, inviter, created_at, quota);
  });
}

Result<std::vector<ReceivedInvitation>> MeteredStore::list_invitations(UserId addressee,
                                                                       InvitationId after,
                                                                       std::size_t limit) noexcept {
  return measure(Operation::list_invitations,
                 [&] { return store_->list_invitations(addressee, after, limit); });
}

Result<Identity> MeteredStore::create_user(const Username& name, const KeyDigest& key) noexcept {
  return measure(Operation::create_user, [&] { return store_->create_user(name, key); });
}

Result<Identity> MeteredStore::replace_user_key(const Username& name,
                                                const KeyDigest& key) noexcept {
  return measure(Operation::replace_user_key, [&] { return store_->replace_user_key(name, key); });
}

Result<Identity> MeteredStore::remove_user(const Username& name) noexcept {
  return measure(Operation::remove_user, [&] { return store_->remove_user(name); });
}

Result<std::vector<Identity>> MeteredStore::list_users() noexcept {
  return measure(Operation::list_users, [&] { return store_->list_users(); });
}

Result<Identity> MeteredStore::get_user(UserId id) noexcept {
  return measure(Operation::get_user, [&] { return store_->get_user(id); });
}

Result<Identity> MeteredStore::get_user_by_name(const Username& name) noexcept {
  return measure(Operation::get_user_by_name, [&] { return store_->get_user_by_name(name); });
}

Result<Identity> MeteredStore::get_user_by_key(const KeyDigest& key) noexcept {
  return measure(Operation::get_user_by_key, [&] { return store_->get_user_by_key(key); });
}

Result<RevokedToken> MeteredStore::revoke_token(const TokenId& id, WallTime until,
                                                WallTime now) noexcept {
  return measure(Operation::revoke_token, [&] { return store_->revoke_token(id, until, now); });
}

Result<bool> MeteredStore::is_token_revoked(const TokenId& id) noexcept {
  return measure(Operation::is_token_revoked, [&] { return store_->is_token_revoked(id); });
}

Result<std::vector<RevokedToken>> MeteredStore::list_revoked_tokens() noexcept {
  return measure(Operation::list_revoked_tokens, [&] { return store_->list_revoked_tokens(); });
}

Result<std::int64_t> MeteredStore::count_revocations() noexcept {
  return measure(Operation::count_revocations, [&] { return store_->count_revocations(); });
}

}  // namespace voicechan::server

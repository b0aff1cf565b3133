#include <algorithm>
#include <map>
#include <unordered_map>

#include "constant_time.hpp"
#include "store_answer.hpp"
#include "voicechan/mutex.hpp"
#include "voicechan/store.hpp"

namespace voicechan {
namespace {

class MemoryStore final : public Store {
 public:
  Result<Channel> create_channel(const ChannelName& name, UserId creator, WallTime created_at,
                                 std::size_t quota) noexcept override {
    return answer([&]() -> Result<Channel> {
      const MutexLock lock(mutex_);
      std::size_t& created = totals_[creator].channels;
      if (created >= quota) return Errc::quota_exceeded;
      const ChannelId id{static_cast<std::int64_t>(channels_.size()) + 1};
      Channel channel{id, name.str(), creator, created_at};
      channels_.push_back(channel);
      ++created;
      return channel;
    });
  }

  Result<Channel> get_channel(ChannelId id) noexcept override {
    return answer([&]() -> Result<Channel> {
      const MutexLock lock(mutex_);
      const Channel* channel = find_channel(id);
      if (channel == nullptr) return Errc::unknown_channel;
      return *channel;
    });
  }

  Result<std::vector<Channel>> list_channels(ChannelId after, std::size_t limit) noexcept override {
    return answer([&]() -> Result<std::vector<Channel>> {
      const MutexLock lock(mutex_);
      const auto first =
          std::upper_bound(channels_.begin(), channels_.end(), after,
                           [](ChannelId id, const Channel& channel) { return id < channel.id; });
      const auto count = std::min(limit, static_cast<std::size_t>(channels_.end() - first));
      return std::vector<Channel>(first, first + static_cast<std::ptrdiff_t>(count));
    });
  }

  Result<IssuedInvitation> create_invitation(ChannelId channel_id, UserId addressee, UserId inviter,
                                             WallTime created_at,
                                             std::size_t quota) noexcept override {
    return answer([&]() -> Result<IssuedInvitation> {
      const MutexLock lock(mutex_);
      const Channel* channel = find_channel(channel_id);
      if (channel == nullptr) return Errc::unknown_channel;
      if (users_.count(addressee) == 0) return Errc::unknown_user;
      std::size_t& created = totals_[inviter].invitations;
      if (created >= quota) return Errc::quota_exceeded;

      const InvitationId id{static_cast<std::int64_t>(invitations_.size()) + 1};
      IssuedInvitation issued{
          {id, channel_id, addressee, inviter, InvitationStatus::pending, created_at},
          channel->name};
      std::vector<std::size_t>& received = received_[addressee];
      received.push_back(invitations_.size());
      try {
        invitations_.push_back(issued.invitation);
      } catch (...) {
        received.pop_back();
        throw;
      }
      ++created;
      return issued;
    });
  }

  Result<std::vector<ReceivedInvitation>> list_invitations(UserId addressee, InvitationId after,
                                                           std::size_t limit) noexcept override {
    return answer([&]() -> Result<std::vector<ReceivedInvitation>> {
      const MutexLock lock(mutex_);
      std::vector<ReceivedInvitation> list;
      const auto received = received_.find(addressee);
      if (received == received_.end()) return list;
      const auto& places = received->second;
      for (auto place = places.rbegin(); place != places.rend() && list.size() < limit; ++place) {
        const Invitation& invitation = invitations_[*place];
        if (!(after < invitation.id)) break;
        const auto inviter = users_.find(invitation.inviter);
        list.push_back(
            {invitation, find_channel(invitation.channel)->name,
             inviter == users_.end() ? std::string() : inviter->second.identity.username});
      }
      return list;
    });
  }

  Result<Identity> create_user(const Username& name, const KeyDigest& key) noexcept override {
    return answer([&]() -> Result<Identity> {
      const MutexLock lock(mutex_);
      if (find_user(name) != users_.end() || ids_by_key_.count(key) != 0) return Errc::user_exists;

      const UserId id{last_user_id_ + 1};
      Identity identity{id, name.str()};
      const auto user = users_.emplace(id, User{identity, key}).first;
      try {
        ids_by_key_.emplace(key, id);
        ids_by_name_.emplace(name.str(), id);
      } catch (...) {
        ids_by_key_.erase(key);
        users_.erase(user);
        throw;
      }
      last_user_id_ = id.value;
      return identity;
    });
  }

  Result<Identity> replace_user_key(const Username& name, const KeyDigest& key) noexcept override {
    return answer([&]() -> Result<Identity> {
      const MutexLock lock(mutex_);
      const auto user = find_user(name);
      if (user == users_.end()) return Errc::unknown_user;
      Identity identity = user->second.identity;
      if (key == user->second.key) return identity;
      if (!ids_by_key_.emplace(key, identity.id).second) return Errc::user_exists;
      ids_by_key_.erase(user->second.key);
      user->second.key = key;
      ++revocations_;
      return identity;
    });
  }

  Result<Identity> remove_user(const Username& name) noexcept override {
    return answer([&]() -> Result<Identity> {
      const MutexLock lock(mutex_);
      const auto user = find_user(name);
      if (user == users_.end()) return Errc::unknown_user;
      Identity identity = std::move(user->second.identity);
      ids_by_key_.erase(user->second.key);
      ids_by_name_.erase(name.str());
      users_.erase(user);
      ++revocations_;
      return identity;
    });
  }

  Result<std::vector<Identity>> list_users() noexcept override {
    return answer([&]() -> Result<std::vector<Identity>> {
      const MutexLock lock(mutex_);
      std::vector<Identity> identities;
      identities.reserve(users_.size());
      for (const auto& [id, user] : users_) identities.push_back(user.identity);
      return identities;
    });
  }

  Result<Identity> get_user(UserId id) noexcept override {
    return answer([&]() -> Result<Identity> {
      const MutexLock lock(mutex_);
      const auto user = users_.find(id);
      if (user == users_.end()) return Errc::unknown_user;
      return user->second.identity;
    });
  }

  Result<Identity> get_user_by_name(const Username& name) noexcept override {
    return answer([&]() -> Result<Identity> {
      const MutexLock lock(mutex_);
      const auto user = find_user(name);
      if (user == users_.end()) return Errc::unknown_user;
      return user->second.identity;
    });
  }

  Result<Identity> get_user_by_key(const KeyDigest& key) noexcept override {
    return answer([&]() -> Result<Identity> {
      const MutexLock lock(mutex_);
      const auto id = ids_by_key_.find(key);
      if (id == ids_by_key_.end()) return Errc::unknown_user;
      const User& user = users_.at(id->second);
      if (!equal_in_constant_time(user.key, key)) return Errc::unknown_user;
      return user.identity;
    });
  }

  Result<RevokedToken> revoke_token(const TokenId& id, WallTime until,
                                    WallTime now) noexcept override {
    return answer([&]() -> Result<RevokedToken> {
      const MutexLock lock(mutex_);
      const auto [token, is_new] = revoked_tokens_.emplace(id.str(), until);
      token->second = std::max(token->second, until);
      RevokedToken revoked{token->first, token->second};
      if (!is_new) return revoked;
      ++revocations_;
      for (auto entry = revoked_tokens_.begin(); entry != revoked_tokens_.end();) {
        const bool has_passed = entry->second < now - kRevokedTokenGrace;
        entry = has_passed ? revoked_tokens_.erase(entry) : std::next(entry);
      }
      return revoked;
    });
  }

  Result<bool> is_token_revoked(const TokenId& id) noexcept override {
    return answer([&]() -> Result<bool> {
      const MutexLock lock(mutex_);
      return revoked_tokens_.count(id.str()) != 0;
    });
  }

  Result<std::vector<RevokedToken>> list_revoked_tokens() noexcept override {
    return answer([&]() -> Result<std::vector<RevokedToken>> {
      const MutexLock lock(mutex_);
      std::vector<RevokedToken> tokens;
      for (const auto& [id, until] : revoked_tokens_) tokens.push_back({id, until});
      return tokens;
    });
  }

  Result<std::int64_t> count_revocations() noexcept override {
    const MutexLock lock(mutex_);
    return revocations_;
  }

 private:
  struct User {
    Identity identity;
    KeyDigest key;
  };
  using Users = std::map<UserId, User>;
  /// What one user has created.
  struct Totals {
    std::size_t channels = 0;
    std::size_t invitations = 0;
  };

  const Channel* find_channel(ChannelId id) const VOICECHAN_REQUIRES(mutex_) {
    if (id.value < 1 || static_cast<std::uint64_t>(id.value) > channels_.size()) return nullptr;
    return &channels_[static_cast<std::size_t>(id.value - 1)];
  }

  Users::iterator find_user(const Username& name) VOICECHAN_REQUIRES(mutex_) {
    const auto id = ids_by_name_.find(name.str());
    return id == ids_by_name_.end() ? users_.end() : users_.find(id->second);
  }

  Mutex mutex_;
  std::vector<Channel> channels_ VOICECHAN_GUARDED_BY(mutex_);        // id is position + 1
  std::vector<Invitation> invitations_ VOICECHAN_GUARDED_BY(mutex_);  // id is position + 1
  // The places in invitations_ of what each user was invited to.
  std::unordered_map<UserId, std::vector<std::size_t>> received_ VOICECHAN_GUARDED_BY(mutex_);
  std::map<UserId, Totals> totals_ VOICECHAN_GUARDED_BY(mutex_);
  Users users_ VOICECHAN_GUARDED_BY(mutex_);
  std::unordered_map<std::string, UserId> ids_by_name_ VOICECHAN_GUARDED_BY(mutex_);
  std::map<KeyDigest, UserId> ids_by_key_ VOICECHAN_GUARDED_BY(mutex_);
  std::map<std::string, WallTime> revoked_tokens_ VOICECHAN_GUARDED_BY(mutex_);  // id, until
  std::int64_t revocations_ VOICECHAN_GUARDED_BY(mutex_) = 0;
  std::int64_t last_user_id_ VOICECHAN_GUARDED_BY(mutex_) = 0;
};

}  // namespace

std::unique_ptr<Store> make_memory_store() { return std::make_unique<MemoryStore>(); }

}  // namespace voicechan

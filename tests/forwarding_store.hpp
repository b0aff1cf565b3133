#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "voicechan/store.hpp"

namespace voicechan {

/// Passes all to another one: for doubles that do some of it in their own way.
class ForwardingStore : public Store {
 public:
  explicit ForwardingStore(std::unique_ptr<Store> store) : store_(std::move(store)) {}

  Result<Channel> create_channel(const ChannelName& name, UserId creator, WallTime now,
                                 std::size_t quota) noexcept override {
    return store_->create_channel(name, creator, now, quota);
  }
  Result<Channel> get_channel(ChannelId id) noexcept override { return store_->get_channel(id); }
  Result<std::vector<Channel>> list_channels(ChannelId after, std::size_t limit) noexcept override {
    return store_->list_channels(after, limit);
  }
  Result<IssuedInvitation> create_invitation(ChannelId channel, UserId from, UserId to,
                                             WallTime now, std::size_t quota) noexcept override {
    return store_->create_invitation(channel, from, to, now, quota);
  }
  Result<std::vector<ReceivedInvitation>> list_invitations(UserId addressee, InvitationId after,
                                                           std::size_t limit) noexcept override {
    return store_->list_invitations(addressee, after, limit);
  }
  Result<Identity> create_user(const Username& name, const KeyDigest& key) noexcept override {
    return store_->create_user(name, key);
  }
  Result<Identity> replace_user_key(const Username& name, const KeyDigest& key) noexcept override {
    return store_->replace_user_key(name, key);
  }
  Result<Identity> remove_user(const Username& name) noexcept override {
    return store_->remove_user(name);
  }
  Result<std::vector<Identity>> list_users() noexcept override { return store_->list_users(); }
  Result<Identity> get_user(UserId id) noexcept override { return store_->get_user(id); }
  Result<Identity> get_user_by_name(const Username& name) noexcept override {
    return store_->get_user_by_name(name);
  }
  Result<Identity> get_user_by_key(const KeyDigest& key) noexcept override {
    return store_->get_user_by_key(key);
  }
  Result<RevokedToken> revoke_token(const TokenId& id, WallTime until,
                                    WallTime now) noexcept override {
    return store_->revoke_token(id, until, now);
  }
  Result<bool> is_token_revoked(const TokenId& id) noexcept override {
    return store_->is_token_revoked(id);
  }
  Result<std::vector<RevokedToken>> list_revoked_tokens() noexcept override {
    return store_->list_revoked_tokens();
  }
  Result<std::int64_t> count_revocations() noexcept override { return store_->count_revocations(); }

 private:
  const std::unique_ptr<Store> store_;
};

}  // namespace voicechan

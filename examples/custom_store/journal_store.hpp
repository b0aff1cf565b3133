#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

#include "journal.hpp"
#include "voicechan/store.hpp"

/// Keeps all in memory and every change as a line of JSON in a journal, which is replayed at the
/// start. A change is made in memory, where it may be refused, then written; if it cannot be, the
/// memory is made anew from the journal.
class JournalStore final : public voicechan::Store {
 public:
  /// Fails with `Errc::store_unavailable`, `store_locked` (another process has it) or
  /// `store_corrupt`.
  static voicechan::Result<std::unique_ptr<Store>> open(const std::filesystem::path& journal);

  template <class T>
  using Result = voicechan::Result<T>;
  using Channels = std::vector<voicechan::Channel>;
  using ReceivedInvitations = std::vector<voicechan::ReceivedInvitation>;
  using Identities = std::vector<voicechan::Identity>;
  using RevokedTokens = std::vector<voicechan::RevokedToken>;

  Result<voicechan::Channel> create_channel(const voicechan::ChannelName& name,
                                            voicechan::UserId creator, voicechan::WallTime at,
                                            std::size_t quota) noexcept override;
  Result<voicechan::IssuedInvitation> create_invitation(voicechan::ChannelId channel,
                                                        voicechan::UserId addressee,
                                                        voicechan::UserId inviter,
                                                        voicechan::WallTime at,
                                                        std::size_t quota) noexcept override;
  Result<voicechan::Identity> create_user(const voicechan::Username& name,
                                          const voicechan::KeyDigest& key) noexcept override;
  Result<voicechan::Identity> replace_user_key(const voicechan::Username& name,
                                               const voicechan::KeyDigest& key) noexcept override;
  Result<voicechan::Identity> remove_user(const voicechan::Username& name) noexcept override;
  Result<voicechan::RevokedToken> revoke_token(const voicechan::TokenId& id,
                                               voicechan::WallTime until,
                                               voicechan::WallTime now) noexcept override;

  Result<voicechan::Channel> get_channel(voicechan::ChannelId id) noexcept override {
    return read([&](Store& memory) { return memory.get_channel(id); });
  }
  Result<Channels> list_channels(voicechan::ChannelId after, std::size_t limit) noexcept override {
    return read([&](Store& memory) { return memory.list_channels(after, limit); });
  }
  Result<ReceivedInvitations> list_invitations(voicechan::UserId addressee,
                                               voicechan::InvitationId after,
                                               std::size_t limit) noexcept override {
    return read([&](Store& memory) { return memory.list_invitations(addressee, after, limit); });
  }
  Result<Identities> list_users() noexcept override {
    return read([](Store& memory) { return memory.list_users(); });
  }
  Result<voicechan::Identity> get_user(voicechan::UserId id) noexcept override {
    return read([&](Store& memory) { return memory.get_user(id); });
  }
  Result<voicechan::Identity> get_user_by_name(const voicechan::Username& name) noexcept override {
    return read([&](Store& memory) { return memory.get_user_by_name(name); });
  }
  Result<voicechan::Identity> get_user_by_key(const voicechan::KeyDigest& key) noexcept override {
    return read([&](Store& memory) { return memory.get_user_by_key(key); });
  }
  Result<bool> is_token_revoked(const voicechan::TokenId& id) noexcept override {
    return read([&](Store& memory) { return memory.is_token_revoked(id); });
  }
  Result<RevokedTokens> list_revoked_tokens() noexcept override {
    return read([](Store& memory) { return memory.list_revoked_tokens(); });
  }
  Result<std::int64_t> count_revocations() noexcept override {
    return read([](Store& memory) { return memory.count_revocations(); });
  }

 private:
  JournalStore() = default;

  /// False if the journal cannot be read, or holds what is no change.
  bool replay();

  template <class Read>
  auto read(Read read) noexcept -> std::invoke_result_t<Read, Store&> {
    const std::lock_guard lock(mutex_);
    if (memory_ == nullptr) return voicechan::Errc::store_unavailable;
    return read(*memory_);
  }

  /// `describe` makes the line for a change, `change` makes the change in memory.
  template <class Describe, class Change>
  auto write(Describe describe, Change change) noexcept -> std::invoke_result_t<Change, Store&>;

  std::mutex mutex_;  // guards all below
  Journal journal_;
  std::unique_ptr<Store> memory_;  // null if a change could be neither written nor undone
};

#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "voicechan/clock.hpp"
#include "voicechan/store.hpp"
#include "worker_counters.hpp"

namespace voicechan::server {

/// Another store, and how long it took to answer and how often it could not. Thread-safe.
class MeteredStore final : public Store {
 public:
  enum class Operation : std::uint8_t {
    create_channel,
    get_channel,
    list_channels,
    create_invitation,
    list_invitations,
    create_user,
    replace_user_key,
    remove_user,
    list_users,
    get_user,
    get_user_by_name,
    get_user_by_key,
    revoke_token,
    is_token_revoked,
    list_revoked_tokens,
    count_revocations,
  };
  static constexpr std::size_t kOperations = 16;
  static std::string_view name_of(Operation operation) noexcept;

  enum class Failure : std::uint8_t { unavailable, locked, corrupt };
  static constexpr std::size_t kFailures = 3;
  static std::string_view name_of(Failure failure) noexcept;

  /// `store` must outlive it.
  explicit MeteredStore(Store& store) noexcept : store_(&store) {}

  const DurationHistogram<SharedTally>& latency(Operation operation) const noexcept {
    return latencies_[static_cast<std::size_t>(operation)];
  }
  std::uint64_t failures(Failure failure) const noexcept {
    return failures_[static_cast<std::size_t>(failure)].value();
  }

  /// How the last `count_revocations` went, which is asked a few times a second: whether the store
  /// can be read.
  struct Probe {
    bool has_succeeded = false;
    std::chrono::nanoseconds latency{0};
    MonotonicTime at{};  // its end
  };
  Probe last_probe() const noexcept;

  Result<Channel> create_channel(const ChannelName& name, UserId creator, WallTime created_at,
                                 std::size_t quota) noexcept override;
  Result<Channel> get_channel(ChannelId id) noexcept override;
  Result<std::vector<Channel>> list_channels(ChannelId after, std::size_t limit) noexcept override;
  Result<IssuedInvitation> create_invitation(ChannelId channel, UserId addressee, UserId inviter,
                                             WallTime created_at,
                                             std::size_t quota) noexcept override;
  Result<std::vector<ReceivedInvitation>> list_invitations(UserId addressee, InvitationId after,
                                                           std::size_t limit) noexcept override;
  Result<Identity> create_user(const Username& name, const KeyDigest& key) noexcept override;
  Result<Identity> replace_user_key(const Username& name, const KeyDigest& key) noexcept override;
  Result<Identity> remove_user(const Username& name) noexcept override;
  Result<std::vector<Identity>> list_users() noexcept override;
  Result<Identity> get_user(UserId id) noexcept override;
  Result<Identity> get_user_by_name(const Username& name) noexcept override;
  Result<Identity> get_user_by_key(const KeyDigest& key) noexcept override;
  Result<RevokedToken> revoke_token(const TokenId& id, WallTime until,
                                    WallTime now) noexcept override;
  Result<bool> is_token_revoked(const TokenId& id) noexcept override;
  Result<std::vector<RevokedToken>> list_revoked_tokens() noexcept override;
  Result<std::int64_t> count_revocations() noexcept override;

 private:
  template <class Call>
  auto measure(Operation operation, Call call) noexcept -> decltype(call());
  void count(Operation operation, std::error_code error, MonotonicTime begin) noexcept;

  Store* const store_;
  std::array<DurationHistogram<SharedTally>, kOperations> latencies_;
  std::array<SharedTally, kFailures> failures_;
  std::atomic<bool> has_probe_succeeded_{false};
  std::atomic<std::chrono::nanoseconds::rep> probe_latency_{0};
  std::atomic<MonotonicTime::rep> probed_at_{0};
};

}  // namespace voicechan::server

#include "voicechan/redis_store.hpp"

#include <algorithm>
#include <utility>

#include "constant_time.hpp"
#include "redis/hex.hpp"
#include "redis/redis_store_link.hpp"
#include "redis/redis_store_pages.hpp"
#include "redis/redis_store_records.hpp"
#include "redis/redis_store_scripts.hpp"
#include "store_answer.hpp"

namespace voicechan {
namespace redis {

Result<std::vector<StoredRevocation>> read_revocations(StoreLink& link) {
  const auto answer = link.ask({"HGETALL", key::kRevoked});
  if (!answer) return answer.error();
  std::vector<StoredRevocation> tokens;
  for (std::size_t i = 0; i + 1 < answer->elements.size(); i += 2) {
    auto token = parse_revocation(answer->elements[i].text, text_of(answer->elements[i + 1]));
    if (!token) return Errc::store_corrupt;
    tokens.push_back(*std::move(token));
  }
  std::sort(tokens.begin(), tokens.end(),
            [](const auto& left, const auto& right) { return left.token.id < right.token.id; });
  return tokens;
}

namespace {

std::string quota_argument(std::size_t quota) {
  return quota == kNoQuota ? std::string() : std::to_string(quota);
}

std::string argument(std::int64_t number) { return std::to_string(number); }

/// Of an answer that is an id.
template <class Id>
std::error_code take_id(const RedisReply& reply, Id& id) noexcept {
  const auto number = parse_number(text_of(reply));
  if (!number || !is_possible_id(*number)) return Errc::store_corrupt;
  id.value = *number;
  return {};
}

/// One record of a sorted set, by its id.
template <class Row>
Result<Row> read_record(StoreLink& link, std::string_view key, std::int64_t id, Errc absent,
                        std::optional<Row> (*parse)(std::string_view)) {
  if (!is_possible_id(id)) return absent;
  const std::string score = argument(id);
  const auto answer = link.ask({"ZRANGEBYSCORE", key, score, score});
  if (!answer) return answer.error();
  if (answer->elements.empty()) return absent;
  auto row = parse(text_of(answer->elements.front()));
  if (!row) return Errc::store_corrupt;
  return *std::move(row);
}

/// What `script::list_invitations` gives.
std::error_code add_received(const RedisReply& page, std::vector<ReceivedInvitation>& list) {
  const auto& fields = page.elements;
  if (fields.size() % 3 != 0) return Errc::store_corrupt;
  for (std::size_t i = 0; i < fields.size(); i += 3) {
    const auto invitation = parse_invitation(text_of(fields[i]));
    auto channel = parse_channel(text_of(fields[i + 1]));
    const std::string_view inviter = text_of(fields[i + 2]);
    auto user = parse_user(inviter);
    if (!invitation || !channel || (!user && !inviter.empty())) return Errc::store_corrupt;
    list.push_back({*invitation, std::move(channel->name),
                    user ? std::move(user->identity.username) : std::string()});
  }
  return {};
}

class RedisStore final : public Store {
 public:
  explicit RedisStore(std::unique_ptr<StoreLink> link) : link_(std::move(link)) {}

  Result<Channel> create_channel(const ChannelName& name, UserId creator, WallTime created_at,
                                 std::size_t quota) noexcept override {
    return answer([&]() -> Result<Channel> {
      Channel channel{{}, name.str(), creator, created_at};
      const auto created = link_->run(
          script::create_channel(), {key::kMeta, key::kChannels, key::kChannelTotals},
          {argument(creator.value), to_decimal(created_at), quota_argument(quota), name.str()});
      if (!created) return created.error();
      if (const auto error = take_id(*created, channel.id)) return error;
      return channel;
    });
  }

  Result<Channel> get_channel(ChannelId id) noexcept override {
    return answer([&] {
      return read_record(*link_, key::kChannels, id.value, Errc::unknown_channel, parse_channel);
    });
  }

  /// Channels are never removed, and get their ids in the order in which they come to be there, so
  /// that pages together are what is there when the last one is read.
  Result<std::vector<Channel>> list_channels(ChannelId after, std::size_t limit) noexcept override {
    return answer([&] {
      return read_pages(*link_, key::kChannels, after.value, limit, parse_channel,
                        [](const Channel& channel) { return channel.id.value; });
    });
  }

  Result<IssuedInvitation> create_invitation(ChannelId channel, UserId addressee, UserId inviter,
                                             WallTime created_at,
                                             std::size_t quota) noexcept override {
    return answer([&]() -> Result<IssuedInvitation> {
      if (!is_possible_id(channel.value)) return Errc::unknown_channel;
      IssuedInvitation issued{
          {{}, channel, addressee, inviter, InvitationStatus::pending, created_at}, {}};
      // 0 is nobody's id, just as one that nobody can have.
      const std::int64_t sought = is_possible_id(addressee.value) ? addressee.value : 0;
      const auto created = link_->run(
          script::create_invitation(),
          {key::kMeta, key::kChannels, key::kUsers, key::kInvitations, key::kInvitationTotals,
           key::kReceivedPrefix},
          {argument(channel.value), argument(sought), argument(inviter.value),
           to_decimal(created_at), to_string(issued.invitation.status), quota_argument(quota)});
      if (!created) return created.error();
      if (created->elements.size() != 2) return Errc::store_corrupt;
      auto record = parse_channel(text_of(created->elements[1]));
      if (!record) return Errc::store_corrupt;
      issued.channel_name = std::move(record->name);
      if (const auto error = take_id(created->elements[0], issued.invitation.id)) return error;
      return issued;
    });
  }

  Result<std::vector<ReceivedInvitation>> list_invitations(UserId addressee, InvitationId after,
                                                           std::size_t limit) noexcept override {
    return answer([&]() -> Result<std::vector<ReceivedInvitation>> {
      std::vector<ReceivedInvitation> list;
      if (!is_possible_id(addressee.value) || after.value >= kMaxRedisId) return list;
      std::string below = "+inf";
      while (list.size() < limit) {
        const std::size_t wanted = std::min(kPageRecords, limit - list.size());
        const auto page = link_->run(
            script::list_invitations(),
            {key::kMeta, key::kInvitations, key::kChannels, key::kUsers, key::kReceivedPrefix},
            {argument(addressee.value), '(' + argument(after.value), below,
             argument(static_cast<std::int64_t>(wanted))});
        if (!page) return page.error();
        if (page->type == RedisReply::Type::integer) continue;  // it has more to do first
        if (const auto error = add_received(*page, list)) return error;
        if (page->elements.size() < 3 * wanted) break;
        below = '(' + argument(list.back().invitation.id.value);
      }
      return list;
    });
  }

  Result<Identity> create_user(const Username& name, const KeyDigest& key) noexcept override {
    return answer([&] { return change_user(script::create_user(), name, to_hex(key)); });
  }

  Result<Identity> replace_user_key(const Username& name, const KeyDigest& key) noexcept override {
    return answer([&] { return change_user(script::replace_user_key(), name, to_hex(key)); });
  }

  Result<Identity> remove_user(const Username& name) noexcept override {
    return answer([&] { return change_user(script::remove_user(), name, {}); });
  }

  Result<std::vector<Identity>> list_users() noexcept override {
    return answer([&]() -> Result<std::vector<Identity>> {
      const auto users = read_pages(*link_, key::kUsers, 0, kNoQuota, parse_user,
                                    [](const StoredUser& user) { return user.identity.id.value; });
      if (!users) return users.error();
      std::vector<Identity> identities;
      for (const StoredUser& user : *users) identities.push_back(user.identity);
      return identities;
    });
  }

  Result<Identity> get_user(UserId id) noexcept override {
    return answer([&]() -> Result<Identity> {
      auto user = read_record(*link_, key::kUsers, id.value, Errc::unknown_user, parse_user);
      if (!user) return user.error();
      return std::move(user->identity);
    });
  }

  Result<Identity> get_user_by_name(const Username& name) noexcept override {
    return answer([&]() -> Result<Identity> {
      auto user = find_user(key::kUserNames, name.str());
      if (!user) return user.error();
      return std::move(user->identity);
    });
  }

  Result<Identity> get_user_by_key(const KeyDigest& key) noexcept override {
    return answer([&]() -> Result<Identity> {
      auto user = find_user(key::kUserKeys, to_hex(key));
      if (!user) return user.error();
      if (!equal_in_constant_time(user->key, key)) return Errc::unknown_user;
      return std::move(user->identity);
    });
  }

  Result<RevokedToken> revoke_token(const TokenId& id, WallTime until,
                                    WallTime now) noexcept override {
    return answer([&]() -> Result<RevokedToken> {
      const auto revoked = link_->run(
          script::revoke_token(), {key::kMeta, key::kRevoked, key::kRevokedByTime},
          {id.str(), to_sortable(until), to_sortable(now), to_sortable(now - kRevokedTokenGrace)});
      if (!revoked) return revoked.error();
      const auto time = parse_sortable(text_of(*revoked));
      if (!time) return Errc::store_corrupt;
      return RevokedToken{id.str(), *time};
    });
  }

  Result<bool> is_token_revoked(const TokenId& id) noexcept override {
    return answer([&]() -> Result<bool> {
      const auto is_there = link_->ask({"HEXISTS", key::kRevoked, id.str()});
      if (!is_there) return is_there.error();
      return is_there->integer == 1;
    });
  }

  Result<std::vector<RevokedToken>> list_revoked_tokens() noexcept override {
    return answer([&]() -> Result<std::vector<RevokedToken>> {
      auto revocations = read_revocations(*link_);
      if (!revocations) return revocations.error();
      std::vector<RevokedToken> tokens;
      for (StoredRevocation& entry : *revocations) tokens.push_back(std::move(entry.token));
      return tokens;
    });
  }

  /// Asked a few times a second, so that this is where it is noticed that the store is gone.
  Result<std::int64_t> count_revocations() noexcept override {
    return answer([&]() -> Result<std::int64_t> {
      const auto meta = link_->ask({"HMGET", key::kMeta, "id", "revocations"});
      if (!meta) return meta.error();
      if (meta->elements.size() != 2) return Errc::store_corrupt;
      if (const auto error = link_->check_id(text_of(meta->elements[0]))) return error;
      const std::string_view count = text_of(meta->elements[1]);
      return parse_number(count).value_or(0);
    });
  }

 private:
  Result<Identity> change_user(const Script& script, const Username& name, std::string_view key) {
    Identity identity{{}, name.str()};
    const auto changed = link_->run(
        script, {key::kMeta, key::kUsers, key::kUserNames, key::kUserKeys}, {name.str(), key});
    if (!changed) return changed.error();
    if (const auto error = take_id(*changed, identity.id)) return error;
    return identity;
  }

  Result<StoredUser> find_user(std::string_view index, std::string_view field) {
    const auto found = link_->run(script::find_user(), {key::kUsers, index}, {field});
    if (!found) return found.error();
    auto user = parse_user(text_of(*found));
    if (!user) return Errc::store_corrupt;
    return *std::move(user);
  }

  const std::unique_ptr<StoreLink> link_;
};

/// Why a store with this meta cannot be served from; empty if it can.
StoreLink::Failure refuse(const RedisReply& meta) {
  if (meta.elements.size() != 3) return {Errc::store_corrupt, {}};
  const auto format = parse_number(text_of(meta.elements[0]));
  if (!format || *format < 1) return {Errc::store_corrupt, {}};
  if (*format > parse_number(kStoreFormat)) return {Errc::store_too_new, {}};
  if (meta.elements[2].type == RedisReply::Type::nil) return {};
  return {Errc::store_corrupt,
          "a migration into it has not come to its end; run it again (voicechan-server migrate)"};
}

}  // namespace
}  // namespace redis

std::string check_redis_url(std::string_view url) {
  const auto parsed = redis::parse_redis_url(url);
  const auto* problem = std::get_if<std::string>(&parsed);
  return problem == nullptr ? std::string() : *problem;
}

std::string check_redis_files(const RedisStoreOptions& options) {
  const auto server = redis::find_store(options);
  const auto* problem = std::get_if<std::string>(&server);
  return problem == nullptr ? std::string() : *problem;
}

std::string display_redis_url(std::string_view url) {
  const auto parsed = redis::parse_redis_url(url);
  const auto* good = std::get_if<redis::RedisUrl>(&parsed);
  return good == nullptr ? std::string() : good->display();
}

RedisOpening<Store> open_redis_store(RedisStoreOptions options) {
  using namespace redis;
  RedisOpening<Store> opening;
  StoreLink::Failure failure;
  auto link = StoreLink::open(std::move(options), failure);
  if (link != nullptr) {
    const auto meta = link->run(script::prepare(), {key::kMeta, key::kUsers, key::kChannels},
                                {kStoreFormat, random_hex()});
    failure = meta ? refuse(*meta) : link->explain(meta.error());
    if (meta && failure.error) failure = link->explain(failure.error, failure.reason);
    if (!failure.error) {
      opening.store_id = meta->elements[1].text;
      link->bind(opening.store_id);
      opening.warnings = link->durability_warnings();
      opening.store = std::make_unique<RedisStore>(std::move(link));
    }
  }
  opening.error = failure.error;
  opening.reason = std::move(failure.reason);
  return opening;
}

}  // namespace voicechan

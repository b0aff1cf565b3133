#include <algorithm>
#include <map>
#include <utility>

#include "redis/hex.hpp"
#include "redis/redis_store_link.hpp"
#include "redis/redis_store_pages.hpp"
#include "redis/redis_store_records.hpp"
#include "redis/redis_store_scripts.hpp"
#include "store_answer.hpp"
#include "voicechan/redis_store.hpp"

namespace voicechan {
namespace redis {
namespace {

using Totals = std::map<std::int64_t, std::int64_t>;  // by user

/// Commands like ZADD take any number of members; this collects a page of them.
class Members {
 public:
  Members(std::string_view verb, std::string_view key) : arguments_{std::string(verb)} {
    arguments_.emplace_back(key);
  }

  void add(std::string first, std::string second) {
    arguments_.push_back(std::move(first));
    arguments_.push_back(std::move(second));
  }

  std::error_code send(StoreLink& link) const {
    if (arguments_.size() == 2) return {};
    std::string command;
    append_command(command, {arguments_.begin(), arguments_.end()});
    return link.ask_command(std::move(command)).error();
  }

 private:
  std::vector<std::string> arguments_;
};

std::string text(std::int64_t number) { return std::to_string(number); }

std::int64_t number_of(const RedisReply& reply) { return parse_number(text_of(reply)).value_or(0); }

class RedisArchive final : public StoreArchive {
 public:
  explicit RedisArchive(std::unique_ptr<StoreLink> link) : link_(std::move(link)) {}

  Result<State> state() override {
    const auto meta = link_->meta();
    if (!meta) return meta.error();
    if (meta->format.empty()) return State::empty;
    if (parse_number(meta->format) != parse_number(kStoreFormat)) return Errc::store_too_new;
    if (!meta->import.empty()) return State::unfinished;
    const auto counted = counters();
    if (!counted) return counted.error();
    const bool is_empty = counted->last_user == 0 && counted->last_channel == 0 &&
                          counted->last_invitation == 0 && counted->revocations == 0;
    return is_empty ? State::empty : State::complete;
  }

  Result<StoreCounters> counters() override {
    const auto answer =
        link_->ask({"HMGET", key::kMeta, "user", "channel", "invitation", "revocations"});
    if (!answer) return answer.error();
    const auto& fields = answer->elements;
    if (fields.size() != 4) return Errc::store_corrupt;
    return StoreCounters{number_of(fields[0]), number_of(fields[1]), number_of(fields[2]),
                         number_of(fields[3])};
  }

  Result<std::vector<StoredUser>> users(UserId after, std::size_t limit) override {
    return read_page(*link_, key::kUsers, after.value, limit, parse_user);
  }
  Result<std::vector<Channel>> channels(ChannelId after, std::size_t limit) override {
    return read_page(*link_, key::kChannels, after.value, limit, parse_channel);
  }
  Result<std::vector<Invitation>> invitations(InvitationId after, std::size_t limit) override {
    return read_page(*link_, key::kInvitations, after.value, limit, parse_invitation);
  }
  Result<std::vector<StoredRevocation>> revoked_tokens() override {
    return read_revocations(*link_);
  }

  std::error_code begin_import(const StoreCounters& counters) override {
    for (const auto last : {counters.last_user, counters.last_channel, counters.last_invitation}) {
      if (last >= kMaxRedisId) return Errc::store_corrupt;
    }
    import_ = random_hex();
    channel_totals_.clear();
    invitation_totals_.clear();
    return link_
        ->run(script::begin_import(),
              {key::kMeta, key::kUsers, key::kUserNames, key::kUserKeys, key::kChannels,
               key::kChannelTotals, key::kInvitations, key::kInvitationTotals, key::kRevoked,
               key::kRevokedByTime},
              {kStoreFormat, random_hex(), import_, text(counters.last_user),
               text(counters.last_channel), text(counters.last_invitation),
               text(counters.revocations)})
        .error();
  }

  std::error_code add(const std::vector<StoredUser>& users) override {
    Members records("ZADD", key::kUsers);
    Members names("HSET", key::kUserNames);
    Members keys("HSET", key::kUserKeys);
    for (const StoredUser& user : users) {
      const std::string id = text(user.identity.id.value);
      records.add(id, to_record(user));
      names.add(user.identity.username, id);
      keys.add(to_hex(user.key), id);
    }
    return send({&records, &names, &keys});
  }

  std::error_code add(const std::vector<Channel>& channels) override {
    Members records("ZADD", key::kChannels);
    for (const Channel& channel : channels) {
      records.add(text(channel.id.value), to_record(channel));
      ++channel_totals_[channel.creator.value];
    }
    return send({&records});
  }

  std::error_code add(const std::vector<Invitation>& invitations) override {
    Members records("ZADD", key::kInvitations);
    for (const Invitation& invitation : invitations) {
      records.add(text(invitation.id.value), to_record(invitation));
      ++invitation_totals_[invitation.inviter.value];
    }
    return send({&records});
  }

  std::error_code add(const std::vector<StoredRevocation>& tokens) override {
    for (std::size_t begin = 0; begin < tokens.size(); begin += kPageRecords) {
      const std::size_t end = std::min(begin + kPageRecords, tokens.size());
      Members records("HSET", key::kRevoked);
      Members times("ZADD", key::kRevokedByTime);
      for (std::size_t i = begin; i < end; ++i) {
        records.add(tokens[i].token.id, to_record(tokens[i]));
        times.add("0", to_sortable(tokens[i].token.until) + tokens[i].token.id);
      }
      if (const auto error = send({&records, &times})) return error;
    }
    return {};
  }

  std::error_code finish_import() override {
    if (const auto error = add_totals(key::kChannelTotals, channel_totals_)) return error;
    if (const auto error = add_totals(key::kInvitationTotals, invitation_totals_)) return error;
    return link_->run(script::finish_import(), {key::kMeta}, {import_}).error();
  }

 private:
  std::error_code send(std::initializer_list<const Members*> commands) {
    for (const Members* command : commands) {
      if (const auto error = command->send(*link_)) return error;
    }
    return {};
  }

  std::error_code add_totals(std::string_view key, const Totals& totals) {
    for (auto next = totals.begin(); next != totals.end();) {
      Members page("HSET", key);
      for (std::size_t i = 0; i < kPageRecords && next != totals.end(); ++i, ++next) {
        page.add(text(next->first), text(next->second));
      }
      if (const auto error = page.send(*link_)) return error;
    }
    return {};
  }

  const std::unique_ptr<StoreLink> link_;
  std::string import_;  // marks the import as ours
  Totals channel_totals_;
  Totals invitation_totals_;
};

}  // namespace
}  // namespace redis

RedisOpening<StoreArchive> open_redis_archive(RedisStoreOptions options) {
  RedisOpening<StoreArchive> opening;
  redis::StoreLink::Failure failure;
  auto link = redis::StoreLink::open(std::move(options), failure);
  if (link != nullptr) {
    const auto meta = link->meta();
    if (meta) {
      opening.warnings = link->durability_warnings();
      opening.store = std::make_unique<redis::RedisArchive>(std::move(link));
    } else {
      failure = link->explain(meta.error());
    }
  }
  opening.error = failure.error;
  opening.reason = std::move(failure.reason);
  return opening;
}

}  // namespace voicechan

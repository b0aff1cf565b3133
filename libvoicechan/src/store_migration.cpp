#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "voicechan/store_archive.hpp"

namespace voicechan {
namespace {

constexpr std::size_t kPageRows = 1000;

/// Why a migration ends, in words.
struct Failure {
  std::string reason;
};

template <class T>
T take(Result<T> result, std::string_view side) {
  if (!result) throw Failure{"the " + std::string(side) + ": " + result.error().message()};
  return std::move(result).value();
}

void check(std::error_code error, std::string_view side) {
  if (error) throw Failure{"the " + std::string(side) + ": " + error.message()};
}

constexpr std::string_view kSource = "source";
constexpr std::string_view kDestination = "destination";

auto fields(const StoredUser& user) {
  return std::tie(user.identity.id, user.identity.username, user.key);
}
auto fields(const Channel& channel) {
  return std::tie(channel.id, channel.name, channel.creator, channel.created_at);
}
auto fields(const Invitation& invitation) {
  return std::tie(invitation.id, invitation.channel, invitation.addressee, invitation.inviter,
                  invitation.status, invitation.created_at);
}
auto fields(const StoredRevocation& token) {
  return std::tie(token.token.id, token.token.until, token.revoked_at);
}
auto fields(const StoreCounters& counters) {
  return std::tie(counters.last_user, counters.last_channel, counters.last_invitation,
                  counters.revocations);
}

std::string name_of(const StoredUser& user) {
  return "user " + std::to_string(user.identity.id.value);
}
std::string name_of(const Channel& channel) {
  return "channel " + std::to_string(channel.id.value);
}
std::string name_of(const Invitation& invitation) {
  return "invitation " + std::to_string(invitation.id.value);
}
std::string name_of(const StoredRevocation& token) { return "revoked token " + token.token.id; }

UserId id_of(const StoredUser& user) { return user.identity.id; }
ChannelId id_of(const Channel& channel) { return channel.id; }
InvitationId id_of(const Invitation& invitation) { return invitation.id; }

/// What is not the same on both sides; both are in order.
template <class Row>
void compare(const std::vector<Row>& left, const std::vector<Row>& right) {
  for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    if (fields(left[i]) == fields(right[i])) continue;
    throw Failure{name_of(left[i]) + " is not the same on both sides; is a server still writing?"};
  }
  if (left.size() != right.size()) {
    const auto& longer = left.size() > right.size() ? left : right;
    throw Failure{name_of(longer[std::min(left.size(), right.size())]) +
                  " is on one side only; is a server still writing?"};
  }
}

class Migration {
 public:
  using Progress = std::function<void(std::string_view, std::size_t)>;

  Migration(StoreArchive& from, StoreArchive& to, const Progress& on_progress)
      : from_(from), to_(to), on_progress_(on_progress) {}

  void run(MigrationReport& report) {
    check_states();
    const StoreCounters counters = take(from_.counters(), kSource);
    check(to_.begin_import(counters), kDestination);
    report.users = copy("copying users", &StoreArchive::users, UserId{});
    report.channels = copy("copying channels", &StoreArchive::channels, ChannelId{});
    report.invitations = copy("copying invitations", &StoreArchive::invitations, InvitationId{});
    const auto tokens = take(from_.revoked_tokens(), kSource);
    check(to_.add(tokens), kDestination);
    report.revoked_tokens = tokens.size();
    on_progress_("copying revoked tokens", tokens.size());

    verify("verifying users", &StoreArchive::users, UserId{});
    verify("verifying channels", &StoreArchive::channels, ChannelId{});
    verify("verifying invitations", &StoreArchive::invitations, InvitationId{});
    compare(take(from_.revoked_tokens(), kSource), take(to_.revoked_tokens(), kDestination));
    on_progress_("verifying revoked tokens", tokens.size());
    if (fields(take(to_.counters(), kDestination)) != fields(counters)) {
      throw Failure{"the destination: it counts other than it was told"};
    }
    if (fields(take(from_.counters(), kSource)) != fields(counters)) {
      throw Failure{"the source has changed meanwhile; stop the servers that use it"};
    }
    check(to_.finish_import(), kDestination);
  }

 private:
  void check_states() {
    if (take(from_.state(), kSource) == StoreArchive::State::unfinished) {
      throw Failure{"the source: a migration into it has not come to its end"};
    }
    switch (take(to_.state(), kDestination)) {
      case StoreArchive::State::empty:
        return;
      case StoreArchive::State::unfinished:
        on_progress_("removing what an unfinished migration has left", 0);
        return;
      case StoreArchive::State::complete:
        throw Failure{"the destination is not empty"};
    }
  }

  template <class Row, class Id>
  using Read = Result<std::vector<Row>> (StoreArchive::*)(Id, std::size_t);

  template <class Row, class Id>
  std::size_t copy(std::string_view what, Read<Row, Id> read, Id after) {
    std::size_t rows = 0;
    for (;;) {
      const auto page = take((from_.*read)(after, kPageRows), kSource);
      check(to_.add(page), kDestination);
      rows += page.size();
      on_progress_(what, rows);
      if (page.size() < kPageRows) return rows;
      after = id_of(page.back());
    }
  }

  template <class Row, class Id>
  void verify(std::string_view what, Read<Row, Id> read, Id after) {
    std::size_t rows = 0;
    for (;;) {
      const auto page = take((from_.*read)(after, kPageRows), kSource);
      compare(page, take((to_.*read)(after, kPageRows), kDestination));
      rows += page.size();
      on_progress_(what, rows);
      if (page.size() < kPageRows) return;
      after = id_of(page.back());
    }
  }

  StoreArchive& from_;
  StoreArchive& to_;
  const Progress& on_progress_;
};

}  // namespace

MigrationReport migrate_store(
    StoreArchive& from, StoreArchive& to,
    const std::function<void(std::string_view what, std::size_t rows)>& on_progress) {
  MigrationReport report;
  try {
    Migration(from, to, on_progress).run(report);
  } catch (const Failure& failure) {
    report.failure = failure.reason;
  }
  return report;
}

}  // namespace voicechan

#include "missed_invitations.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <string>
#include <utility>

#include "spdlog/spdlog.h"
#include "voicechan/hub.hpp"

namespace voicechan::server {
namespace {

constexpr std::chrono::seconds kRetryTime{1};
// What was made so long before the last look may have been stored, and so be seen, after it only.
constexpr std::chrono::seconds kMargin{10};
// Most have missed nothing, or one: more are asked for only if all of these are new.
constexpr std::size_t kFirstLook = 5;

}  // namespace

Result<std::vector<InvitationNotice>> list_newest(const Directory& directory, UserId user,
                                                  WallTime not_before) {
  auto notices = directory.list_notices(user, {}, kFirstLook);
  const bool may_have_more = notices && notices->size() == kFirstLook;
  if (!may_have_more || notices->front().created_at < not_before) return notices;
  return directory.list_notices(user, {}, kMaxMissedInvitations);
}

std::unique_ptr<MissedInvitations> MissedInvitations::watch(Backplane& backplane,
                                                            const Directory& directory,
                                                            const Clock& clock) {
  std::unique_ptr<MissedInvitations> made(new MissedInvitations(backplane, directory, clock));
  const bool has_gaps = backplane.watch_gaps(
      [missed = made.get()](std::string_view group) { missed->on_gap(group); });
  return has_gaps ? std::move(made) : nullptr;
}

MissedInvitations::~MissedInvitations() {
  backplane_->watch_gaps({});
  stop();
}

void MissedInvitations::start(Deliver deliver) {
  thread_ = std::thread([this, deliver = std::move(deliver)] { run(deliver); });
}

void MissedInvitations::stop() {
  {
    const MutexLock lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

MissedInvitations::Socket MissedInvitations::add_socket(UserId user) {
  const MutexLock lock(mutex_);
  Receiver& receiver = receivers_[user];
  if (receiver.sockets++ == 0) receiver.complete_until = clock_->now();
  return Socket(*this, user);
}

void MissedInvitations::remove_socket(UserId user) noexcept {
  const MutexLock lock(mutex_);
  const auto found = receivers_.find(user);
  if (--found->second.sockets > 0) return;
  receivers_.erase(found);
  due_.erase(user);
}

void MissedInvitations::on_gap(std::string_view group) {
  const auto user = user_of_notification_group(group);
  if (!user) return;
  {
    const MutexLock lock(mutex_);
    if (receivers_.count(*user) == 0 || !due_.insert(*user).second) return;
  }
  wake_.notify_all();
}

void MissedInvitations::run(const Deliver& deliver) {
  bool is_failing = false;
  while (const auto user = wait_for_user()) {
    bool is_done = false;
    try {
      is_done = look(*user, deliver);
    } catch (const std::exception& error) {
      spdlog::error("looking for missed invitations failed inside: {}", error.what());
    }
    if (is_done) {
      is_failing = false;
      continue;
    }
    if (!std::exchange(is_failing, true)) {
      spdlog::warn("cannot look now for what user {} may have missed; going on to try",
                   user->value);
    }
    const MutexLock lock(mutex_);
    if (receivers_.count(*user) > 0) due_.insert(*user);
    not_before_ = std::chrono::steady_clock::now() + kRetryTime;
  }
}

std::optional<UserId> MissedInvitations::wait_for_user() {
  const MutexLock lock(mutex_);
  while (!is_stopping_) {
    if (due_.empty()) {
      wake_.wait(mutex_);
    } else if (std::chrono::steady_clock::now() < not_before_) {
      (void)wake_.wait_until(mutex_, not_before_);
    } else {
      // In turn: one of whom the store has something that cannot be read is no reason to forget
      // all.
      const auto next = due_.upper_bound(last_);
      last_ = due_.extract(next == due_.end() ? due_.begin() : next).value();
      return last_;
    }
  }
  return std::nullopt;
}

bool MissedInvitations::look(UserId user, const Deliver& deliver) {
  const WallTime now = clock_->now();
  WallTime not_before;
  {
    const MutexLock lock(mutex_);
    const auto found = receivers_.find(user);
    if (found == receivers_.end()) return true;
    not_before = found->second.complete_until - kMargin;
  }
  auto notices = list_newest(*directory_, user, not_before);
  if (!notices) return false;
  const auto is_old = [&](const auto& notice) { return notice.created_at < not_before; };
  notices->erase(std::remove_if(notices->begin(), notices->end(), is_old), notices->end());
  {
    const MutexLock lock(mutex_);
    const auto found = receivers_.find(user);
    if (found == receivers_.end()) return true;
    found->second.complete_until = now;
  }
  if (notices->empty()) return true;
  deliver(user, std::make_shared<const std::vector<InvitationNotice>>(*std::move(notices)));
  return true;
}

}  // namespace voicechan::server

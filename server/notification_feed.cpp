#include "notification_feed.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "paging.hpp"

namespace voicechan::server {
namespace {

// More than can be missed, so that whatever a listing has is known if it was sent.
constexpr std::size_t kMaxSent = kMaxMissedInvitations + 28;
// More is published within the time of a listing only to who is flooded; then order matters less.
constexpr std::size_t kMaxHeld = 1000;

std::size_t hash_of(const Frame& frame) noexcept { return std::hash<std::string>()(frame.bytes()); }

}  // namespace

NotificationFeed::NotificationFeed(Transport& out, UserId user, const Begin& begin,
                                   NotificationFeeds& feeds,
                                   std::optional<MissedInvitations::Socket> socket)
    : out_(&out), user_(user), begin_(begin), feeds_(&feeds), socket_(std::move(socket)) {
  feeds_->add(*this);
}

NotificationFeed::~NotificationFeed() { feeds_->remove(*this); }

bool NotificationFeed::is_wanted(const InvitationNotice& notice,
                                 WallTime::duration margin) const noexcept {
  if (begin_.since) return *begin_.since < notice.id;
  return notice.created_at >= begin_.opened - margin;
}

bool NotificationFeed::note(InvitationId id, const Frame& frame, bool is_of_store) {
  const std::size_t hash = hash_of(frame);
  auto place = std::lower_bound(sent_.begin(), sent_.end(), id,
                                [](const Sent& sent, InvitationId key) { return sent.id < key; });
  for (; place != sent_.end() && place->id == id; ++place) {
    // Who publishes by other ways may have more to say of an invitation.
    if (is_of_store || place->hash == hash) return false;
  }
  sent_.insert(place, {id, hash});
  if (sent_.size() > kMaxSent) sent_.erase(sent_.begin());
  return true;
}

void NotificationFeed::send(const Frame& frame) noexcept {
  if (!is_holding_ || held_.size() == kMaxHeld) return send_now(frame, false);
  held_.push_back({frame, false});
}

void NotificationFeed::send_now(const Frame& frame, bool is_of_store) {
  if (has_ended_) return;
  const auto id = find_invitation(frame);
  if (!id || note(*id, frame, is_of_store)) out_->send(frame);
}

bool NotificationFeed::parse_since(std::string_view text, Begin& begin) {
  begin.wants_mark = true;
  if (text == "now") return true;
  const auto id = parse_digits(text);
  if (id) begin.since = InvitationId{*id};
  return id.has_value();
}

void NotificationFeed::add_missed(const std::vector<InvitationNotice>& notices) {
  if (has_ended_) return;
  is_holding_ = false;
  for (const InvitationNotice& notice : notices) {
    if (is_wanted(notice, {})) add(notice);
  }
  const InvitationId mark =
      notices.empty() ? begin_.since.value_or(InvitationId{}) : notices.back().id;
  out_->send(
      Frame::control_text(R"({"type":"caught_up","since":)" + std::to_string(mark.value) + '}'));
  for (const Held& held : std::exchange(held_, {})) send_now(held.frame, held.is_of_store);
}

void NotificationFeed::add_missed_meanwhile(const std::vector<InvitationNotice>& notices) {
  for (const InvitationNotice& notice : notices) {
    if (is_wanted(notice)) add(notice);
  }
}

void NotificationFeed::add(const InvitationNotice& notice) {
  if (is_holding_ && held_.size() < kMaxHeld) {
    held_.push_back({notice.frame, true});
  } else if (!has_ended_ && note(notice.id, notice.frame, true)) {
    out_->send(notice.frame);
  }
}

void NotificationFeeds::add(NotificationFeed& feed) { feeds_.emplace(feed.user(), &feed); }

void NotificationFeeds::remove(const NotificationFeed& feed) noexcept {
  const auto [begin, end] = feeds_.equal_range(feed.user());
  const auto found =
      std::find_if(begin, end, [&](const auto& entry) { return entry.second == &feed; });
  if (found != end) feeds_.erase(found);
}

void NotificationFeeds::add_missed_meanwhile(UserId user,
                                             const std::vector<InvitationNotice>& notices) {
  const auto [begin, end] = feeds_.equal_range(user);
  std::vector<NotificationFeed*> feeds;
  for (auto feed = begin; feed != end; ++feed) feeds.push_back(feed->second);
  for (NotificationFeed* feed : feeds) feed->add_missed_meanwhile(notices);
}

}  // namespace voicechan::server

#include "voicechan/directory.hpp"

#include "notification.hpp"
#include "voicechan/hub.hpp"

namespace voicechan {

Result<Channel> Directory::create_channel(const Identity& creator, const ChannelName& name) {
  return store_->create_channel(name, creator.id, clock_->now(), quotas_.channels_per_user);
}

Result<Channel> Directory::get_channel(const Identity&, ChannelId id) const {
  return store_->get_channel(id);
}

Result<std::vector<Channel>> Directory::list_channels(const Identity&,
                                                      const ChannelPage& page) const {
  return store_->list_channels(page.after, page.limit);
}

Result<Invitation> Directory::invite(const Identity& inviter, ChannelId channel, UserId addressee) {
  const auto issued = store_->create_invitation(channel, addressee, inviter.id, clock_->now(),
                                                quotas_.invitations_per_user);
  if (!issued) return issued.error();
  backplane_->publish(
      notification_group(addressee),
      make_invitation_notification(issued->invitation, issued->channel_name, inviter.username));
  return issued->invitation;
}

Result<std::vector<InvitationNotice>> Directory::list_notices(UserId addressee, InvitationId after,
                                                              std::size_t limit) const {
  const auto list = store_->list_invitations(addressee, after, limit);
  if (!list) return list.error();
  std::vector<InvitationNotice> notices;
  notices.reserve(list->size());
  for (auto each = list->rbegin(); each != list->rend(); ++each) {
    notices.push_back({each->invitation.id, each->invitation.created_at,
                       make_invitation_notification(each->invitation, each->channel_name,
                                                    each->inviter_username)});
  }
  return notices;
}

}  // namespace voicechan

// A Store of your own, here a journal of JSON lines: a Directory works on it as on the others, and
// after a restart all that was acknowledged is there. tests/journal_store_test.cpp has it pass the
// suite that every Store passes.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

#include "journal_store.hpp"
#include "voicechan/directory.hpp"
#include "voicechan/hub.hpp"

namespace {

/// A client that is told of invitations.
struct Inbox final : voicechan::Transport {
  void send(const voicechan::Frame& frame) noexcept override { last = frame.bytes(); }
  std::string last;
};

/// Alice creates a channel and invites bob, who is told of it.
bool create_and_invite(voicechan::Store& store) {
  voicechan::InProcessBackplane backplane(1);
  const auto hub = voicechan::Hub::attach(backplane);
  voicechan::Directory directory(store, backplane, voicechan::system_clock());
  const auto alices_name = voicechan::Username::parse("alice");
  const auto bobs_name = voicechan::Username::parse("bob");
  const auto name = voicechan::ChannelName::parse("general");
  if (!hub || !alices_name || !bobs_name || !name) return false;
  const auto alice = store.create_user(*alices_name, voicechan::KeyDigest{1});
  const auto bob = store.create_user(*bobs_name, voicechan::KeyDigest{2});
  if (!alice || !bob) return false;

  Inbox inbox;
  const voicechan::Session notifications = (*hub)->open_notifications(*bob, inbox);
  const auto channel = directory.create_channel(*alice, *name);
  if (!channel || !directory.invite(*alice, channel->id, bob->id)) return false;
  (*hub)->tick({});  // the directory is on no hub's thread: what it publishes comes with a tick
  std::cout << "bob gets " << inbox.last << '\n';
  return inbox.last.find("\"inviter_username\":\"alice\"") != std::string::npos;
}

/// What is there after a restart, and that ids go on.
bool is_all_there(voicechan::Store& store) {
  const auto users = store.list_users();
  const auto channels = store.list_channels({}, voicechan::kNoQuota);
  const auto bob = store.get_user_by_key(voicechan::KeyDigest{2});
  if (!users || !channels || !bob || users->size() != 2 || channels->size() != 1) return false;
  const voicechan::Channel& general = channels->front();
  std::cout << "still there: " << general.name << " of " << users->front().username << ", made at "
            << voicechan::format_rfc3339(general.created_at) << '\n';
  const auto again = store.create_invitation(general.id, bob->id, users->front().id, {});
  return again && again->invitation.id == voicechan::InvitationId{2} && bob->username == "bob";
}

}  // namespace

int main() {
  const auto path = std::filesystem::temp_directory_path() /
                    ("voicechan-example-" + std::to_string(::getpid()) + ".jsonl");
  bool went_well = false;
  {
    const auto store = JournalStore::open(path);
    went_well = store && create_and_invite(**store);
  }
  std::ofstream(path, std::ios::app) << R"({"change":"create_chan)";  // the power failed just now
  {
    const auto store = JournalStore::open(path);
    if (!store) std::cerr << store.error().message() << '\n';
    went_well = went_well && store && is_all_there(**store);
  }
  std::filesystem::remove(path);
  return went_well ? EXIT_SUCCESS : EXIT_FAILURE;
}

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "fake_transport.hpp"

// Voice rooms with members who are told who is there and who speaks.

namespace voicechan {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string numbered(std::uint32_t member, std::string_view payload) {
  std::string bytes;
  for (const unsigned shift : {24u, 16u, 8u, 0u}) {
    bytes.push_back(static_cast<char>(member >> shift & 0xFF));
  }
  return bytes.append(payload);
}

std::uint32_t number_in(const json::value& value) { return value.to_number<std::uint32_t>(); }

/// A client's own account of its room, built from what it is sent and from nothing else.
struct Watcher {
  explicit Watcher(ClientPtr connection) : client(std::move(connection)) {}

  ClientPtr client;
  bool has_roster = false;
  std::uint32_t number = 0;
  std::uint64_t revision = 0;
  std::map<std::uint32_t, std::string> members;  // usernames
  std::vector<std::pair<std::uint32_t, std::string>> heard;
  std::vector<std::string> replies;  // what is no account of the roster

  void read() {
    const auto frames = std::exchange(client->transport.frames, {});
    for (const Frame& frame : frames) {
      EXPECT_TRUE(has_roster || replies.empty());
      if (frame.kind() == FrameKind::binary) {
        hear(frame.bytes());
      } else {
        read(parse_json(frame.bytes()).as_object());
      }
    }
  }

  void hear(const std::string& bytes) {
    ASSERT_GE(bytes.size(), 4u);
    std::uint32_t member = 0;
    for (int i = 0; i < 4; ++i) {
      member = member << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
    }
    note(member, bytes.substr(4));
  }

  void note(std::uint32_t member, std::string what) {
    EXPECT_EQ(members.count(member), 1u) << "one who is not there speaks";
    EXPECT_NE(member, number) << "echo";
    heard.emplace_back(member, std::move(what));
  }

  void read(const json::object& message) {
    const std::string type = message.at("type").as_string().c_str();
    if (type == "roster") {
      EXPECT_FALSE(std::exchange(has_roster, true)) << "a second roster";
      revision = message.at("revision").to_number<std::uint64_t>();
      for (const auto& member : message.at("members").as_array()) add(member.as_object());
      return;
    }
    EXPECT_TRUE(has_roster) << type;
    if (type == "text") {
      return note(number_in(message.at("member")), message.at("text").as_string().c_str());
    }
    if (type != "member_joined" && type != "member_left") {
      replies.push_back(json::serialize(message));
      return;
    }
    EXPECT_EQ(message.at("revision").to_number<std::uint64_t>(), ++revision);
    if (type == "member_left") {
      EXPECT_EQ(members.erase(number_in(message.at("member"))), 1u);
      return;
    }
    const auto& member = message.at("member").as_object();
    add(member);
    if (!message.contains("you")) return;
    EXPECT_EQ(number, 0u) << "joined twice";
    number = number_in(member.at("member"));
  }

  void add(const json::object& member) {
    const std::uint32_t key = number_in(member.at("member"));
    EXPECT_NE(key, 0u);
    EXPECT_TRUE(members.emplace(key, member.at("username").as_string().c_str()).second);
  }
};

class HubVoiceMembersTest : public HubSystemTest {
 protected:
  Watcher watch(std::size_t hub, std::int64_t id = 1, std::string_view room = "team") {
    Watcher watcher{system.join_voice_with_members(hub, id, room)};
    system.settle();
    watcher.read();
    return watcher;
  }
  /// A plain member in the room of two who have been told of it.
  ClientPtr join_plain_beside(Watcher& one, Watcher& other) {
    auto plain = system.join_voice(2, "team");
    system.settle();
    one.read();
    other.read();
    return plain;
  }
  void say(Client& client, std::string bytes) {
    client.session.receive(FrameKind::binary, std::move(bytes));
    system.settle();
  }
};

TEST_P(HubVoiceMembersTest, ANewcomerSeesWhoIsThereAndThenItself) {
  const auto plain = system.join_voice(0, "team");
  const auto ann = system.join_voice_with_members(1, 7, "team");
  system.settle();
  EXPECT_THAT(ann->texts(),
              ElementsAre(R"({"type":"roster","room":"team","revision":1,"members":[)"
                          R"({"member":1,"user_id":1,"username":"user1"}]})",
                          R"({"type":"member_joined","room":"team","revision":2,"member":)"
                          R"({"member":2,"user_id":7,"username":"user7"},"you":true})"));
  EXPECT_THAT(plain->texts(), IsEmpty());
}

TEST_P(HubVoiceMembersTest, OthersAreToldOfWhoComesAndGoes) {
  auto ann = watch(0);
  {
    const auto plain = system.join_voice(1, "team");
    system.settle();
  }
  system.settle();
  EXPECT_THAT(ann.client->texts(),
              ElementsAre(R"({"type":"member_joined","room":"team","revision":2,"member":)"
                          R"({"member":2,"user_id":1,"username":"user1"}})",
                          R"({"type":"member_left","room":"team","revision":3,"member":2})"));
}

TEST_P(HubVoiceMembersTest, AudioComesBehindTheNumberOfWhoSpeaks) {
  auto ann = watch(0);
  auto bob = watch(1);
  const auto carol = join_plain_beside(ann, bob);
  const std::string audio = std::string("\x00\xff", 2) + "audio";
  say(*ann.client, audio);
  EXPECT_THAT(bob.client->texts(), ElementsAre(numbered(ann.number, audio)));
  EXPECT_EQ(bob.client->transport.frames[0].frame_class(), FrameClass::media);
  EXPECT_THAT(carol->texts(), ElementsAre(audio));
  EXPECT_THAT(ann.client->texts(), IsEmpty());
  say(*carol, "");
  EXPECT_THAT(ann.client->texts(), ElementsAre(numbered(3, "")));
}

TEST_P(HubVoiceMembersTest, TextIsWrappedForMembersAndPlainForOthers) {
  auto ann = watch(0);
  auto bob = watch(1);
  const auto carol = join_plain_beside(ann, bob);
  system.send(*carol, R"({"type":"sync"} "?)");
  const std::string wrapped = R"({"type":"text","member":3,"text":"{\"type\":\"sync\"} \"?"})";
  EXPECT_THAT(ann.client->texts(), ElementsAre(wrapped));
  EXPECT_THAT(bob.client->texts(), ElementsAre(wrapped));
  EXPECT_THAT(carol->texts(), IsEmpty());
  system.send(*ann.client, R"({"type":"text","text":"\u00e9\n"})");
  EXPECT_THAT(carol->texts(), ElementsAre("é\n"));
  EXPECT_EQ(carol->transport.frames[0].frame_class(), FrameClass::control);
  EXPECT_THAT(bob.client->texts(),
              ElementsAre(wrapped, R"({"type":"text","member":1,"text":"é\n"})"));
}

TEST_P(HubVoiceMembersTest, OtherTextIsRefusedAndGoesToNobody) {
  auto ann = watch(0);
  const auto plain = system.join_voice(1, "team");
  system.settle();
  ann.read();
  for (const char* text : {"hello", "[]", "{}", R"({"type":"text"})", R"({"type":"text","text":1})",
                           R"({"type":"text","text":"\ud800"})", R"({"type":"sync"})",
                           R"({"type":"sync","revision":-1})", R"({"type":"sync","revision":"1"})",
                           R"({"type":"join"})"}) {
    system.send(*ann.client, text);
    ASSERT_EQ(ann.client->texts().size(), 1u) << text;
    const auto reply = parse_json(ann.client->texts()[0]).as_object();
    EXPECT_EQ(reply.at("type"), "error");
    EXPECT_EQ(reply.at("code"), "bad_message");
    ann.client->transport.frames.clear();
  }
  EXPECT_THAT(plain->texts(), IsEmpty());
}

TEST_P(HubVoiceMembersTest, SyncSaysSameOrWhatChanged) {
  auto ann = watch(0);
  system.send(*ann.client, R"({"type":"sync","revision":1})");
  EXPECT_THAT(ann.client->texts(),
              ElementsAre(R"({"type":"synced","room":"team","revision":1,"same":true})"));
  auto bob = watch(1);
  bob.client = nullptr;
  system.settle();
  ann.client->transport.frames.clear();
  system.send(*ann.client, R"({"type":"sync","revision":1})");
  EXPECT_THAT(ann.client->texts(),
              ElementsAre(R"({"type":"synced","room":"team","revision":3,"same":false,"changes":[)"
                          R"({"type":"member_joined","room":"team","revision":2,"member":)"
                          R"({"member":2,"user_id":1,"username":"user1"}},)"
                          R"({"type":"member_left","room":"team","revision":3,"member":2}]})"));
  ann.client->transport.frames.clear();
  for (const char* unknown : {"0", "4", "18446744073709551615"}) {
    system.send(*ann.client, R"({"type":"sync","revision":)" + std::string(unknown) + "}");
  }
  const std::string whole =
      R"({"type":"synced","room":"team","revision":3,"same":false,"members":[)"
      R"({"member":1,"user_id":1,"username":"user1"}]})";
  EXPECT_EQ(ann.client->texts()[1], whole);
  EXPECT_EQ(ann.client->texts()[2], whole);
}

TEST_P(HubVoiceMembersTest, ASyncComesBehindTheChangesItTellsOf) {
  auto ann = watch(0);
  const auto plain = system.join_voice(1, "team");
  ann.client->send(R"({"type":"sync","revision":1})");  // the change is under way
  system.settle();
  ASSERT_EQ(ann.client->texts().size(), 2u);
  EXPECT_EQ(parse_json(ann.client->texts()[0]).at("type"), "member_joined");
  EXPECT_EQ(parse_json(ann.client->texts()[1]).at("revision"), 2);
}

TEST_P(HubVoiceMembersTest, OneWhoSpeaksAtOnceIsToldOfFirst) {
  auto ann = watch(0);
  const auto plain = system.join_voice(0, "team");
  plain->session.receive(FrameKind::binary, "1");
  auto bob = Watcher(system.join_voice_with_members(0, 2, "team"));
  bob.client->session.receive(FrameKind::binary, "2");
  plain->session.receive(FrameKind::binary, "3");
  system.settle();
  ann.read();
  bob.read();
  EXPECT_THAT(ann.heard, ElementsAre(std::pair(2u, "1"), std::pair(2u, "3"), std::pair(3u, "2")));
  for (const auto& [member, what] : bob.heard) EXPECT_EQ(member, 2u);
  EXPECT_THAT(plain->texts(), ElementsAre("2"));
}

TEST_P(HubVoiceMembersTest, WhatOneSaidComesBeforeHisGoing) {
  auto ann = watch(0);
  auto bob = watch(1);
  ann.read();
  bob.client->session.receive(FrameKind::binary, "last words");
  bob.client = nullptr;
  system.settle();
  ann.read();
  EXPECT_THAT(ann.heard, ElementsAre(std::pair(2u, "last words")));
  EXPECT_EQ(ann.members.size(), 1u);
}

TEST_P(HubVoiceMembersTest, ARoomThatHasBeenEmptyGoesOnCounting) {
  const std::uint64_t revision = watch(0).revision;
  system.settle();
  const auto ann = watch(1);
  EXPECT_EQ(ann.members.size(), 1u);
  EXPECT_GT(ann.revision, revision);
  EXPECT_GT(ann.number, revision);
}

TEST_P(HubVoiceMembersTest, RoomsAreApart) {
  auto ann = watch(0, 1, "a");
  auto bob = watch(1, 2, "b");
  say(*bob.client, "x");
  EXPECT_THAT(ann.client->texts(), IsEmpty());
  EXPECT_EQ(bob.members.size(), 1u);
}

TEST_P(HubVoiceMembersTest, AllMembersAreListedInPages) {
  VoicePresence& presence = system.backplane().voice_presence();
  EXPECT_EQ(presence.list(room_name("team")).revision, 0u);
  std::vector<ClientPtr> clients;
  for (std::size_t i = 0; i < 5; ++i) clients.push_back(system.join_voice(i, "team"));
  clients.push_back(system.join_voice_with_members(0, 9, "team"));
  clients.erase(clients.begin() + 1);
  const auto first = presence.list(room_name("team"), 0, 2);
  ASSERT_EQ(first.members.size(), 2u);
  EXPECT_TRUE(first.has_more);
  EXPECT_EQ(first.revision, 7u);
  const auto rest = presence.list(room_name("team"), first.members.back().since, 3);
  ASSERT_EQ(rest.members.size(), 3u);
  EXPECT_FALSE(rest.has_more);
  EXPECT_EQ(rest.members.back().user.username, "user9");
}

TEST_P(HubVoiceMembersTest, AllRoomsAreListedInPages) {
  VoicePresence& presence = system.backplane().voice_presence();
  std::vector<ClientPtr> clients;
  for (const char* room : {"c", "a", "b", "a"}) clients.push_back(system.join_voice(0, room));
  clients.push_back(system.join_voice_with_members(1, 9, "a"));
  EXPECT_EQ(presence.totals().rooms, 3u);
  EXPECT_EQ(presence.totals().members, 5u);
  const auto first = presence.list_rooms("", 2);
  ASSERT_EQ(first.rooms.size(), 2u);
  EXPECT_TRUE(first.has_more);
  EXPECT_EQ(first.rooms[0].name, "a");
  EXPECT_EQ(first.rooms[0].members, 3u);
  const auto rest = presence.list_rooms("b", 2);
  ASSERT_EQ(rest.rooms.size(), 1u);
  EXPECT_FALSE(rest.has_more);
  EXPECT_EQ(rest.rooms[0].name, "c");
  clients.clear();
  EXPECT_EQ(presence.totals().rooms, 0u);
  EXPECT_EQ(presence.totals().members, 0u);
}

TEST_P(HubVoiceMembersTest, NothingIsLeftWhenAllAreGone) {
  {
    auto ann = watch(0);
    const auto plain = system.join_voice(1, "team");
    const auto never_told = system.join_voice_with_members(2, 3, "team");
    never_told->session.receive(FrameKind::binary, "x");
  }
  system.settle();
  EXPECT_EQ(system.session_count(), 0u);
  EXPECT_EQ(system.backplane().voice_presence().list(room_name("team")).revision, 0u);
}

INSTANTIATE_TEST_SUITE_P(Hubs, HubVoiceMembersTest, ::testing::Values(1, 3), hub_count_name);

TEST(HubVoiceMembersLimitTest, AFullRoomRefusesBothKinds) {
  HubOptions options;
  options.max_room_members = 2;
  HubSystem system(2, options);
  auto ann = system.join_voice_with_members(0, 1, "team");
  const auto plain = system.join_voice(1, "team");
  FakeTransport transport;
  for (const auto protocol : {VoiceProtocol::plain, VoiceProtocol::with_members}) {
    EXPECT_EQ(system.hub(1).join_voice(user(1), room_name("team"), transport, protocol).error(),
              Errc::room_full);
  }
  ann = nullptr;
  EXPECT_TRUE(
      system.hub(1).join_voice(user(1), room_name("team"), transport, VoiceProtocol::with_members));
}

TEST(HubVoiceMembersLimitTest, SyncsAreRateLimited) {
  HubOptions options;
  options.voice_sync_burst = 2;
  options.voice_syncs_per_second = 1;
  HubSystem system(1, options);
  const auto ann = system.join_voice_with_members(0, 1, "team");
  system.settle();
  ann->transport.frames.clear();
  for (int i = 0; i < 3; ++i) system.send(*ann, R"({"type":"sync","revision":1})");
  ASSERT_EQ(ann->texts().size(), 3u);
  EXPECT_EQ(parse_json(ann->texts()[1]).at("type"), "synced");
  EXPECT_EQ(parse_json(ann->texts()[2]).at("code"), "rate_limited");
}

TEST(HubVoiceMembersPacingTest, BothKindsArePacedAndChangesKeepTheirPlace) {
  HubOptions options;
  options.pacing_window = milliseconds(5);
  HubSystem system(1, options);
  auto ann = Watcher(system.join_voice_with_members(0, 1, "team"));
  auto bob = system.join_voice(0, "team");
  auto carol = Watcher(system.join_voice_with_members(0, 2, "team"));
  system.settle();
  bob->session.receive(FrameKind::binary, "hello");
  carol.client->session.receive(FrameKind::binary, "hello");
  system.advance(milliseconds(0));
  ann.read();
  carol.read();
  bob->transport.frames.clear();
  ann.heard.clear();
  bob->session.receive(FrameKind::binary, "1");
  carol.client->session.receive(FrameKind::binary, "2");
  system.settle();
  EXPECT_THAT(ann.client->texts(), IsEmpty());
  EXPECT_THAT(bob->texts(), IsEmpty());
  bob->session.leave();
  system.settle();
  EXPECT_THAT(ann.client->texts(), IsEmpty()) << "he is told of before what he said";
  system.advance(milliseconds(5));
  ann.read();
  EXPECT_THAT(ann.heard, ElementsAre(std::pair(2u, "1"), std::pair(3u, "2")));
  EXPECT_EQ(ann.members.size(), 2u);
}

TEST(HubVoiceMembersPacingTest, ASyncReleasesTheChangesBeforeIt) {
  HubOptions options;
  options.pacing_window = milliseconds(5);
  HubSystem system(1, options);
  std::vector<Watcher> members;
  for (int i = 1; i <= 3; ++i) members.emplace_back(system.join_voice_with_members(0, i, "team"));
  for (int round = 0; round < 2; ++round) {
    for (auto& each : members) each.client->session.receive(FrameKind::binary, "x");
    system.settle();
  }
  auto plain = system.join_voice(0, "team");
  system.settle();
  members[0].client->send(R"({"type":"sync","revision":4})");
  members[0].read();
  EXPECT_EQ(members[0].revision, 4u);
  EXPECT_THAT(members[0].replies,
              ElementsAre(R"({"type":"synced","room":"team","revision":4,"same":true})"));
}

TEST(HubVoiceMembersReentrancyTest, AnyMessageMayEndAnySession) {
  std::mt19937 random(3);  // NOLINT: the same history each time
  for (int round = 0; round < 300; ++round) {
    HubOptions options;
    options.pacing_window = milliseconds(round % 2 * 5);
    HubSystem system(1 + static_cast<std::size_t>(round) % 2, options);
    std::deque<ClientPtr> clients;
    int until_end = static_cast<int>(random() % 12);
    const auto end_some = [&](const Frame&) {
      if (--until_end != 0) return;
      for (auto& client : clients) {
        if (client != nullptr && random() % 3 != 0) client = nullptr;
      }
    };
    for (std::size_t i = 0; i < 5; ++i) {
      clients.push_back(i % 3 == 2 ? system.join_voice(i, "team")
                                   : system.join_voice_with_members(i, 1, "team"));
      clients.back()->transport.on_send = end_some;
      if (i == 2) system.settle();
    }
    for (std::size_t step = 0; step < 10; ++step) {
      const std::size_t i = step % clients.size();
      if (clients[i] != nullptr) clients[i]->session.receive(FrameKind::binary, "x");
      if (clients[i] != nullptr) clients[i]->send(R"({"type":"sync","revision":1})");
      if (step % 3 == 0) system.advance(milliseconds(3));
    }
    clients.clear();
    system.advance(milliseconds(10));
    ASSERT_EQ(system.session_count(), 0u);
  }
}

TEST(HubVoiceMembersRandomTest, AccountsOfAllMembersAgreeAfterAnyHistory) {
  for (const unsigned seed : {7u, 8u}) {
    std::mt19937 random(seed);
    HubOptions options;
    options.pacing_window = milliseconds(seed == 8 ? 5 : 0);
    HubSystem system(3, options);
    std::vector<Watcher> watchers;
    std::vector<ClientPtr> plain;
    std::map<const Client*, std::size_t> said;  // messages of each
    const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
    const auto speak = [&](Client& client) {
      client.session.receive(FrameKind::binary, std::to_string(++said[&client]));
    };
    for (int step = 0; step < 4000; ++step) {
      const std::size_t action = pick(12);
      if (watchers.size() < 3 || (action == 0 && watchers.size() < 20)) {
        watchers.emplace_back(system.join_voice_with_members(pick(3), step, "team"));
      } else if (action == 1 && plain.size() < 20) {
        plain.push_back(system.join_voice(pick(3), "team"));
      } else if (action == 2) {
        watchers.erase(watchers.begin() + static_cast<std::ptrdiff_t>(pick(watchers.size())));
      } else if (action == 3 && !plain.empty()) {
        plain.erase(plain.begin() + static_cast<std::ptrdiff_t>(pick(plain.size())));
      } else if (action < 8) {
        speak(*watchers[pick(watchers.size())].client);
      } else if (!plain.empty()) {
        speak(*plain[pick(plain.size())]);
      }
      if (pick(4) != 0) continue;
      system.advance(milliseconds(pick(4)));
      if (pick(4) != 0) continue;
      system.advance(milliseconds(5));
      const auto listed = system.backplane().voice_presence().list(room_name("team"));
      ASSERT_EQ(listed.members.size(), watchers.size() + plain.size());
      for (Watcher& watcher : watchers) {
        watcher.read();
        ASSERT_EQ(watcher.revision, listed.revision);
        ASSERT_NE(watcher.number, 0u);
        ASSERT_EQ(watcher.members.size(), listed.members.size());
        for (const auto& member : listed.members) {
          ASSERT_EQ(watcher.members.at(voice_member_number(member.since)), member.user.username);
        }
        std::map<std::uint32_t, int> last;
        for (const auto& [member, what] : watcher.heard) {
          const int count = std::stoi(what);
          ASSERT_GT(count, last[member]) << "out of order, or twice";
          last[member] = count;
        }
      }
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(HubVoiceMembersThreadsTest, AccountsAgreeWhenHubsRunOnThreadsOfTheirOwn) {
  constexpr std::size_t kHubs = 3;
  InProcessBackplane backplane(1);
  std::vector<std::unique_ptr<Hub>> hubs;
  std::vector<std::vector<Watcher>> watchers(kHubs);
  std::vector<std::vector<ClientPtr>> plain(kHubs);
  for (std::size_t i = 0; i < kHubs; ++i) hubs.push_back(Hub::attach(backplane).value());
  const auto join = [&](Hub& hub, std::size_t id, VoiceProtocol protocol) {
    auto client = std::make_unique<Client>();
    client->session = hub.join_voice(user(static_cast<std::int64_t>(id)), room_name("team"),
                                     client->transport, protocol)
                          .value();
    return client;
  };
  const auto run = [&](std::size_t index) {
    std::mt19937 random(static_cast<unsigned>(index));
    const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
    auto& told = watchers[index];
    auto& others = plain[index];
    for (std::size_t step = 0; step < 1500; ++step) {
      const std::size_t action = pick(8);
      if (action == 0 && told.size() < 8) {
        told.emplace_back(join(*hubs[index], step, VoiceProtocol::with_members));
      } else if (action == 1 && others.size() < 8) {
        others.push_back(join(*hubs[index], step, VoiceProtocol::plain));
      } else if (action == 2 && !told.empty()) {
        told.erase(told.begin() + static_cast<std::ptrdiff_t>(pick(told.size())));
      } else if (action == 3 && !others.empty()) {
        others.erase(others.begin() + static_cast<std::ptrdiff_t>(pick(others.size())));
      } else if (action == 4 && !others.empty()) {
        others[pick(others.size())]->session.receive(FrameKind::binary, "x");
      } else if (action < 7 && !told.empty()) {
        told[pick(told.size())].client->session.receive(FrameKind::binary, "y");
      }
      hubs[index]->tick(MonotonicTime(milliseconds(step)));
      for (Watcher& watcher : told) watcher.read();
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kHubs; ++i) threads.emplace_back(run, i);
  for (std::thread& thread : threads) thread.join();
  for (int round = 0; round < 4; ++round) {
    for (const auto& hub : hubs) hub->tick(MonotonicTime(std::chrono::hours(1)));
  }
  const auto listed = backplane.voice_presence().list(room_name("team"));
  for (auto& told : watchers) {
    for (Watcher& watcher : told) {
      watcher.read();
      EXPECT_EQ(watcher.revision, listed.revision);
      EXPECT_EQ(watcher.members.size(), listed.members.size());
    }
  }
}

TEST(HubVoiceMembersBurstTest, ManyWhoComeAtOnceShareRosters) {
  HubSystem system(2);
  std::vector<ClientPtr> crowd;
  for (std::size_t i = 0; i < 4000; ++i) crowd.push_back(system.join_voice(i, "team"));
  auto ann = Watcher(system.join_voice_with_members(0, 1, "team"));
  std::vector<Watcher> watchers;
  for (std::size_t i = 0; i < 100; ++i) {
    watchers.emplace_back(system.join_voice_with_members(i, 2, "team"));
  }
  system.settle();
  const Frame& roster = ann.client->transport.frames.at(0);
  for (Watcher& watcher : watchers) {
    EXPECT_TRUE(watcher.client->transport.frames.at(0).is_same(roster));
    watcher.read();
    EXPECT_EQ(watcher.members.size(), 4101u);
  }
}

TEST(VoiceMemberNumberTest, IsNeverZeroAndStartsAgainAfterTheLast) {
  EXPECT_EQ(voice_member_number(1), 1u);
  EXPECT_EQ(voice_member_number(0xFFFF'FFFF), 0xFFFF'FFFFu);
  EXPECT_EQ(voice_member_number(0x1'0000'0000), 1u);
}

}  // namespace
}  // namespace voicechan

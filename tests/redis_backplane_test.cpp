#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "backplane_test_hub.hpp"
#include "redis/gateway.hpp"
#include "redis_hubs_fixture.hpp"

// Nodes with hubs on real redis-server processes.

namespace voicechan {
namespace {

using redis::RedisServer;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

bool is_long_run() { return std::getenv("VOICECHAN_TEST_LONG") != nullptr; }

TEST(RedisBackplaneTest, BadUrlsAreRefusedWithoutTheirPassword) {
  for (const std::string url :
       {"http://:secret@h", "redis://:secret@", "redis://:secret@h:99999"}) {
    RedisBackplaneOptions options;
    options.bus_urls = {url};
    const auto opened = RedisBackplane::open(options);
    ASSERT_TRUE(std::holds_alternative<std::string>(opened)) << url;
    EXPECT_EQ(std::get<std::string>(opened).find("secret"), std::string::npos);
    EXPECT_EQ(std::get<std::string>(opened).substr(0, 5), "bus: ");
  }
  EXPECT_TRUE(std::holds_alternative<std::string>(RedisBackplane::open({})));
}

TEST(RedisBackplaneTest, AStoreThatIsAServerOfTheBusIsWarnedOf) {
  std::vector<std::string> warnings;
  RedisBackplaneOptions options;
  options.bus_urls = {"redis://127.0.0.1:1", "redis://127.0.0.1:2"};
  options.log = [&](RedisLogLevel level, std::string_view line) {
    if (level == RedisLogLevel::warning) warnings.emplace_back(line);
  };
  options.store_url = "redis://127.0.0.1:3";
  EXPECT_EQ(RedisBackplane::check(options), "");
  EXPECT_THAT(warnings, IsEmpty());
  options.store_url = "redis://127.0.0.1:2/5";
  EXPECT_EQ(RedisBackplane::check(options), "");
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("redis://127.0.0.1:2/5 is a server of the bus")));
}

TEST(RedisBackplaneTest, NothingIsLostThatIsPublishedRightAfterASubscription) {
  const RedisServer server;
  const auto first = open_node({&server});
  const auto second = open_node({&server});
  BackplaneTestHub a(*first);
  BackplaneTestHub b(*second);
  const int rounds = is_long_run() ? 10'000 : 500;
  int lost = 0;
  for (int i = 0; i < rounds; ++i) {
    const std::string group = "g" + std::to_string(i);
    const auto hold_a = JoinedBackplane::prepare_now(*first, group);
    a.subscribe(group);
    const auto hold_b = JoinedBackplane::prepare_now(*second, group);
    b.subscribe(group);
    a.publish(group, "x");
    a.port->flush();
    const auto deadline = steady_clock::now() + std::chrono::seconds(2);
    while (b.published.empty() && steady_clock::now() < deadline) b.port->poll();
    lost += b.published.empty() ? 1 : 0;
    b.published.clear();
    a.unsubscribe(group);
    b.unsubscribe(group);
  }
  EXPECT_EQ(lost, 0);
}

/// Who is not there any more must not be counted among those who will answer.
TEST(RedisBackplaneTest, AJoinDoesNotWaitForANodeThatHasLeft) {
  const RedisServer server;
  HubNode a({&server});
  HubNode b({&server});
  auto ann = a.enter(1, "r");
  ASSERT_TRUE(drive({&a, &b}, [&] { return !ann->texts().empty(); }));
  ann = nullptr;
  drive_for({&a, &b}, redis::Gateway::kLingerTime + milliseconds(300));
  const auto begin = steady_clock::now();
  const auto bob = b.enter(2, "r");
  ASSERT_TRUE(drive({&a, &b}, [&] { return !bob->texts().empty(); }));
  EXPECT_LT(steady_clock::now() - begin, redis::GroupMirror::kAnswerTime);
}

TEST(RedisBackplaneTest, FrameIsPublishedOnceAndOnlyWhileAnotherNodeHasMembers) {
  const RedisServer server;
  HubNode a({&server});
  HubNode b({&server});
  const auto published = [&] {
    std::this_thread::sleep_for(milliseconds(250));  // the status is a moment old
    return a.backplane->status().published;
  };
  const auto speaker = a.speak_in(1, "r");
  const auto neighbour = a.speak_in(2, "r");
  const auto before = published();
  for (int i = 0; i < 50; ++i) speaker->session.receive(FrameKind::binary, "audio");
  drive_for({&a}, milliseconds(50));
  EXPECT_EQ(neighbour->transport.frames.size(), 50u);
  EXPECT_EQ(published(), before) << "nobody else is there";

  std::vector<ClientPtr> members;
  for (int i = 0; i < 10; ++i) members.push_back(b.speak_in(10 + i, "r"));
  drive_for({&a, &b}, milliseconds(100));
  const auto with_members = published();
  const auto received = b.backplane->status().received;
  for (int i = 0; i < 50; ++i) speaker->session.receive(FrameKind::binary, "audio");
  ASSERT_TRUE(drive({&a, &b}, [&] { return members.back()->transport.frames.size() >= 50; }));
  EXPECT_EQ(published(), with_members + 50) << "one publish a frame";
  EXPECT_EQ(b.backplane->status().received, received + 50) << "one copy a node";
  for (const auto& member : members) EXPECT_EQ(member->transport.frames.size(), 50u);

  members.clear();
  b.hub = nullptr;
  drive_for({&a}, std::chrono::seconds(3));  // the group is kept for a while
  const auto after = published();
  for (int i = 0; i < 50; ++i) speaker->session.receive(FrameKind::binary, "audio");
  drive_for({&a}, milliseconds(50));
  EXPECT_EQ(published(), after);
}

TEST(RedisBackplaneTest, MembersOfAVoiceRoomSeeThoseOfOtherNodesAndWhoSpeaks) {
  const RedisServer server;
  HubNode a({&server});
  HubNode b({&server});
  const auto first = a.speak_in(1, "r", VoiceProtocol::with_members);
  const auto second = b.speak_in(2, "r", VoiceProtocol::with_members);
  ASSERT_TRUE(drive({&a, &b}, [&] {
    return a.backplane->voice_presence().list(room_name("r"), 0, 9).members.size() == 2 &&
           b.backplane->voice_presence().list(room_name("r"), 0, 9).members.size() == 2;
  }));
  first->session.receive(FrameKind::text, R"({"type":"text","text":"hello"})");
  ASSERT_TRUE(
      drive({&a, &b}, [&] { return last_text(*second).find("hello") != std::string::npos; }));
  const auto of_first = b.backplane->voice_presence().list(room_name("r"), 0, 9).members;
  const auto speaker = std::find_if(of_first.begin(), of_first.end(),
                                    [](const auto& member) { return member.user.id == UserId{1}; });
  ASSERT_NE(speaker, of_first.end());
  EXPECT_EQ(parse_json(last_text(*second)).at("member").as_int64(),
            voice_member_number(speaker->since));
  first->session.leave();
  EXPECT_TRUE(drive({&a, &b}, [&] {
    return b.backplane->voice_presence().list(room_name("r"), 0, 9).members.size() == 1;
  }));
}

TEST(RedisBackplaneTest, MessageToAPeerOfAnotherNodeArrivesWithItsReceipt) {
  const RedisServer server;
  HubNode a({&server});
  HubNode b({&server});
  const auto first = a.enter(1, "r");
  ASSERT_TRUE(drive({&a, &b}, [&] { return !id_of(*first).empty(); }));
  const auto second = b.enter(2, "r");
  ASSERT_TRUE(drive({&a, &b}, [&] { return !id_of(*second).empty(); }));
  second->send(R"({"type":"offer","to":")" + id_of(*first) + R"(","msg_id":"m","sdp":")" +
               std::string(900'000, 'x') + R"("})");
  ASSERT_TRUE(
      drive({&a, &b}, [&] { return last_text(*second).find("receipt") != std::string::npos; }));
  EXPECT_NE(last_text(*second).find("delivered"), std::string::npos) << last_text(*second);
  EXPECT_EQ(parse_json(last_text(*first)).at("from").as_string(), id_of(*second).c_str());
  // Who has left is known at once.
  const std::string id = id_of(*first);
  first->session.leave();
  second->send(R"({"type":"offer","to":")" + id + R"(","msg_id":"n"})");
  ASSERT_TRUE(drive(
      {&a, &b}, [&] { return last_text(*second).find("unknown") != std::string::npos; },
      milliseconds(500)));
}

TEST(RedisBackplaneTest, NodesAgreeWhoIsInARoomAndWhoCameFirst) {
  const RedisServer server;
  HubNode a({&server});
  HubNode b({&server});
  HubNode c({&server});
  const std::vector<HubNode*> nodes{&a, &b, &c};
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::vector<ClientPtr> clients;
  for (int step = 0; step < 300; ++step) {
    const auto which = random() % 3;
    if (which == 0 && clients.size() < 30) {
      clients.push_back(nodes[random() % 3]->enter(step, "r"));
    } else if (which == 1 && !clients.empty()) {
      clients.erase(clients.begin() + static_cast<std::ptrdiff_t>(random() % clients.size()));
    } else if (!clients.empty()) {
      clients[random() % clients.size()]->send(R"({"type":"update","data":)" +
                                               std::to_string(step) + "}");
    }
    drive_for(nodes, milliseconds(random() % 2));
  }
  const auto is_same = [&] {
    return a.roster("r").size() == clients.size() && a.roster("r") == b.roster("r") &&
           a.roster("r") == c.roster("r");
  };
  EXPECT_TRUE(drive(nodes, is_same));
  EXPECT_THAT(a.roster("r"), ::testing::SizeIs(clients.size()));
  EXPECT_EQ(a.roster("r"), b.roster("r"));
  EXPECT_EQ(a.roster("r"), c.roster("r"));
}

TEST(RedisBackplaneTest, NotificationReachesAUserOnAnotherNode) {
  const RedisServer server;
  HubNode a({&server});
  HubNode b({&server});
  const auto hold = JoinedBackplane::prepare_now(*b.backplane, notification_group(UserId{7}));
  Client client;
  client.session = b.hub->open_notifications(user(7), client.transport);
  a.backplane->publish(notification_group(UserId{7}), Frame::control_text("ring"));
  EXPECT_TRUE(drive({&b}, [&] { return last_text(client) == "ring"; }));
}

TEST(RedisBackplaneTest, AudioGoesOnWhenAServerOfTheBusIsKilled) {
  RedisServer one;
  RedisServer two;
  HubNode a({&one, &two});
  HubNode b({&one, &two});
  struct Room {
    ClientPtr speaker;
    ClientPtr listener;
    steady_clock::time_point last;
    milliseconds gap{0};
    std::size_t seen = 0;
  };
  std::vector<Room> rooms(8);
  for (std::size_t i = 0; i < rooms.size(); ++i) {
    rooms[i].speaker = a.speak_in(1, "r" + std::to_string(i));
    rooms[i].listener = b.speak_in(2, "r" + std::to_string(i));
  }
  std::this_thread::sleep_for(milliseconds(500));
  const auto speak = [&](int frames) {
    for (int i = 0; i < frames; ++i) {
      static int number = 0;
      ++number;
      for (Room& room : rooms) {
        room.speaker->session.receive(FrameKind::binary, std::to_string(number));
      }
      const auto next = steady_clock::now() + milliseconds(20);
      while (steady_clock::now() < next) {
        a.tick();
        b.tick();
        for (Room& room : rooms) {
          if (room.listener->transport.frames.size() == room.seen) continue;
          const auto now = steady_clock::now();
          if (room.seen > 0) {
            room.gap = std::max(room.gap, std::chrono::ceil<milliseconds>(now - room.last));
          }
          room.seen = room.listener->transport.frames.size();
          room.last = now;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(500));
      }
    }
  };
  speak(50);
  one.kill();
  speak(75);
  for (Room& room : rooms) {
    EXPECT_LE(room.gap.count(), 150);
    const auto texts = room.listener->texts();
    EXPECT_GE(texts.size(), 115u);
    EXPECT_EQ(std::set<std::string>(texts.begin(), texts.end()).size(), texts.size()) << "twice";
    int last = 0;
    for (const std::string& text : texts) {
      EXPECT_GT(std::stoi(text), last);
      last = std::stoi(text);
    }
  }
}

TEST(RedisBackplaneTest, LocalRoomsGoOnWithoutABus) {
  RedisServer server;
  HubNode a({&server});
  server.kill();
  const auto began = steady_clock::now();
  const auto first = a.enter(1, "r");
  ASSERT_TRUE(drive(
      {&a}, [&] { return !id_of(*first).empty(); }, milliseconds(1500)));
  const auto second = a.enter(2, "r");
  ASSERT_TRUE(drive(
      {&a}, [&] { return !id_of(*second).empty(); }, milliseconds(1500)));
  EXPECT_LT(steady_clock::now() - began, milliseconds(2500));
  second->send(R"({"type":"offer","to":")" + id_of(*first) + R"("})");
  EXPECT_TRUE(drive({&a}, [&] { return last_text(*first).find("offer") != std::string::npos; }));
  const auto speaker = a.speak_in(1, "v");
  const auto listener = a.speak_in(2, "v");
  speaker->session.receive(FrameKind::binary, "audio");
  EXPECT_TRUE(drive({&a}, [&] { return last_text(*listener) == "audio"; }));
  EXPECT_FALSE(a.backplane->status().problems.empty());

  server.start();
  HubNode b({&server});
  const auto third = b.enter(3, "r");
  EXPECT_TRUE(
      drive({&a, &b}, [&] { return a.roster("r").size() == 3 && b.roster("r").size() == 3; }));
}

}  // namespace
}  // namespace voicechan

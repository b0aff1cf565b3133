#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <vector>

#include "fake_transport.hpp"

namespace voicechan {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

HubOptions paced_options() {
  HubOptions options;
  options.pacing_window = milliseconds(5);
  return options;
}

/// Rooms of a hub with a pacing window; neighbours are on different hubs if there are several.
class HubPacingTest : public ::testing::TestWithParam<int> {
 protected:
  void say(Client& client, std::string text) {
    client.session.receive(FrameKind::binary, std::move(text));
    system.settle();
  }
  /// Two speakers who have been heard, and a listener.
  std::vector<ClientPtr> talk(std::string_view room) {
    std::vector<ClientPtr> clients;
    for (std::size_t i = 0; i < 3; ++i) clients.push_back(system.join_voice(i, room));
    say(*clients[0], "hello");
    say(*clients[1], "hello");
    system.advance(milliseconds(0));
    for (const auto& each : clients) each->transport.frames.clear();
    return clients;
  }

  HubSystem system{static_cast<std::size_t>(GetParam()), paced_options()};
};

TEST_P(HubPacingTest, SeveralSpeakersAreHeardTogetherAtTheWindowsEnd) {
  const auto room = talk("a");
  say(*room[0], "1");
  say(*room[1], "2");
  EXPECT_THAT(room[2]->texts(), IsEmpty());
  system.advance(milliseconds(5));
  EXPECT_THAT(room[2]->texts(), ElementsAre("1", "2"));
  EXPECT_THAT(room[0]->texts(), ElementsAre("2"));
}

TEST_P(HubPacingTest, ALoneSpeakerIsHeardAtOnce) {
  const auto speaker = system.join_voice(0, "a");
  const auto listener = system.join_voice(1, "a");
  for (int i = 0; i < 3; ++i) say(*speaker, "x");
  EXPECT_EQ(listener->texts().size(), 3u);
}

TEST_P(HubPacingTest, TextAndAudioOfOneSpeakerKeepTheirOrder) {
  const auto room = talk("a");
  say(*room[0], "audio 1");
  system.send(*room[0], "text");
  say(*room[0], "audio 2");
  system.advance(milliseconds(5));
  EXPECT_THAT(room[2]->texts(), ElementsAre("audio 1", "text", "audio 2"));
}

TEST_P(HubPacingTest, RoomsArePacedOneByOne) {
  const auto first = talk("a");
  const auto second = talk("b");
  say(*first[0], "1");
  system.advance(milliseconds(3));
  say(*second[0], "2");
  system.advance(milliseconds(2));
  EXPECT_THAT(first[2]->texts(), ElementsAre("1"));
  system.advance(milliseconds(3));
  EXPECT_THAT(second[2]->texts(), ElementsAre("2"));
}

TEST_P(HubPacingTest, RoomThatEmptiesWhileFramesAreHeldIsForgotten) {
  auto room = talk("a");
  say(*room[0], "1");
  room.clear();
  system.advance(milliseconds(5));
  EXPECT_EQ(system.session_count(), 0u);
}

TEST_P(HubPacingTest, AReleaseMayEndAllSessionsOfThisAndOtherRooms) {
  auto first = talk("a");
  auto second = talk("b");
  say(*first[0], "1");
  say(*second[0], "2");
  const auto end_all = [&](const Frame&) {
    for (auto* room : {&first, &second}) {
      for (ClientPtr& each : *room) each->session.leave();
    }
  };
  first[2]->transport.on_send = end_all;
  second[2]->transport.on_send = end_all;
  system.advance(milliseconds(5));
  EXPECT_EQ(system.session_count(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Hubs, HubPacingTest, ::testing::Values(1, 2, 3), hub_count_name);

TEST(HubTickTest, TellsWhenAHeldFrameIsDue) {
  InProcessBackplane backplane(1);
  const auto hub = Hub::attach(backplane, paced_options());
  ASSERT_TRUE(hub);
  FakeTransport transports[2];
  Session a = (*hub)->join_voice(user(1), room_name("a"), transports[0]).value();
  Session b = (*hub)->join_voice(user(2), room_name("a"), transports[1]).value();
  const MonotonicTime start{std::chrono::hours(1)};
  EXPECT_EQ((*hub)->tick(start), MonotonicTime::max());
  a.receive(FrameKind::binary, "1");
  b.receive(FrameKind::binary, "2");
  EXPECT_EQ((*hub)->tick(start), MonotonicTime::max());
  a.receive(FrameKind::binary, "3");
  EXPECT_EQ((*hub)->tick(start + milliseconds(1)), start + milliseconds(5));
  EXPECT_EQ((*hub)->tick(start + milliseconds(5)), MonotonicTime::max());
  EXPECT_THAT(transports[1].texts(), ElementsAre("1", "3"));
}

TEST(FrameSourceTest, EverySessionOfEveryHubHasItsOwn) {
  HubSystem system(3);
  const auto listener = system.join_voice(0);
  std::vector<ClientPtr> speakers;
  for (std::size_t i = 0; i < 30; ++i) speakers.push_back(system.join_voice(i));
  for (int round = 0; round < 2; ++round) {
    for (const auto& each : speakers) each->session.receive(FrameKind::binary, "x");
    system.settle();
  }
  std::map<std::uint64_t, int> frames;
  for (const Frame& frame : listener->transport.frames) ++frames[frame.source()];
  EXPECT_EQ(frames.size(), 30u);
  for (const auto& [source, count] : frames) {
    EXPECT_NE(source, 0u);
    EXPECT_EQ(count, 2);
  }
}

}  // namespace
}  // namespace voicechan

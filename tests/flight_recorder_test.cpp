#include "voicechan/flight_recorder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "fake_transport.hpp"
#include "settable_clock.hpp"

namespace voicechan {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = FlightEvent::Kind;
using Outcome = FlightEvent::Outcome;

PeerId peer(std::uint8_t number) { return PeerId({1, 2}, {number}); }

std::vector<std::uint64_t> numbers(const std::vector<FlightEvent>& events) {
  std::vector<std::uint64_t> result;
  for (const FlightEvent& event : events) result.push_back(event.number);
  return result;
}

class FlightRecorderTest : public ::testing::Test {
 protected:
  static FlightRecorderLimits limits() {
    FlightRecorderLimits small;
    small.events_per_room = 4;
    small.events = 10;
    return small;
  }
  std::uint64_t record(std::string_view room) {
    return recorder.record(room_name(room), {Kind::joined, peer(1)});
  }
  std::vector<std::uint64_t> numbers_of(std::string_view room) {
    return numbers(recorder.events(room_name(room)));
  }

  SettableClock clock;
  FlightRecorder recorder{clock, limits()};
};

TEST_F(FlightRecorderTest, GivesBackWhatWasRecordedInTheRoomWithTheTime) {
  FlightEvent event{Kind::message, peer(1)};
  event.user = UserId{7};
  event.to = peer(2);
  event.type = FlightEvent::Type::offer;
  event.bytes = 2000;
  recorder.record(room_name("team"), event);
  record("other");
  clock.advance(1500ms);
  record("team");
  const auto events = recorder.events(room_name("team"));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].from, peer(1));
  EXPECT_EQ(events[0].user, UserId{7});
  EXPECT_EQ(events[0].to, peer(2));
  EXPECT_EQ(events[0].type, FlightEvent::Type::offer);
  EXPECT_EQ(events[0].bytes, 2000u);
  EXPECT_EQ(format_rfc3339(events[0].time), "2026-11-22T10:00:00.000000Z");
  EXPECT_EQ(format_rfc3339(events[1].time), "2026-11-22T10:00:01.500000Z");
  EXPECT_THAT(numbers(events), ElementsAre(1, 3));
}

TEST_F(FlightRecorderTest, ARoomThatNobodyHasSeenHasNoRecord) {
  EXPECT_THAT(numbers_of("team"), IsEmpty());
}

TEST_F(FlightRecorderTest, OfTooManyEventsOfARoomTheOldestGo) {
  for (int i = 0; i < 7; ++i) record("team");
  EXPECT_THAT(numbers_of("team"), ElementsAre(4, 5, 6, 7));
}

TEST_F(FlightRecorderTest, OfTooManyEventsTheRoomGoesInWhichNothingHappenedForLongest) {
  for (int i = 0; i < 4; ++i) record("a");  // 1 to 4
  for (int i = 0; i < 4; ++i) record("b");  // 5 to 8
  record("a");                              // 9: b is now the older one
  record("c");
  record("c");  // 10 events
  EXPECT_EQ(numbers_of("b").size(), 4u);
  record("c");
  EXPECT_THAT(numbers_of("b"), IsEmpty());
  EXPECT_THAT(numbers_of("a"), ElementsAre(2, 3, 4, 9));
  EXPECT_THAT(numbers_of("c"), ElementsAre(10, 11, 12));
}

TEST_F(FlightRecorderTest, ManyRoomsWithOneEventEachAreBounded) {
  for (int i = 0; i < 1000; ++i) record("room" + std::to_string(i));
  std::size_t known = 0;
  for (int i = 0; i < 1000; ++i) known += numbers_of("room" + std::to_string(i)).size();
  EXPECT_EQ(known, limits().events);
}

TEST_F(FlightRecorderTest, EventsAreShownForTenMinutes) {
  record("team");
  clock.advance(1s);
  record("team");
  clock.advance(599s);
  EXPECT_THAT(numbers_of("team"), ElementsAre(1, 2));
  clock.advance(1us);
  EXPECT_THAT(numbers_of("team"), ElementsAre(2));
  clock.advance(1s);
  EXPECT_THAT(numbers_of("team"), IsEmpty());
}

TEST_F(FlightRecorderTest, WhatIsTooOldMakesPlace) {
  for (int i = 0; i < 4; ++i) record("a");
  for (int i = 0; i < 4; ++i) record("b");
  clock.advance(601s);
  for (int i = 0; i < 4; ++i) record("c");
  for (int i = 0; i < 4; ++i) record("d");
  EXPECT_EQ(numbers_of("c").size(), 4u);
  EXPECT_EQ(numbers_of("d").size(), 4u);
  record("e");
  record("e");  // 10 events: none of the old ones counts any more
  EXPECT_EQ(numbers_of("c").size(), 4u);
}

TEST_F(FlightRecorderTest, AClockThatIsSetBackDoesNoHarm) {
  record("team");
  clock.advance(-3600s);
  record("team");
  EXPECT_THAT(numbers_of("team"), ElementsAre(1, 2));
  clock.advance(599s);
  record("team");
  EXPECT_THAT(numbers_of("team"), ElementsAre(1, 2, 3));
}

TEST_F(FlightRecorderTest, TheOutcomeOfAMessageIsSetWhileItIsKnown) {
  const auto first = record("team");
  for (int i = 0; i < 3; ++i) record("team");
  recorder.settle(room_name("team"), first, Outcome::delivered);
  recorder.settle(room_name("team"), first + 1, Outcome::busy);
  recorder.settle(room_name("nowhere"), first, Outcome::gone);
  recorder.settle(room_name("team"), 99, Outcome::gone);
  const auto events = recorder.events(room_name("team"));
  EXPECT_EQ(events[0].outcome, Outcome::delivered);
  EXPECT_EQ(events[1].outcome, Outcome::busy);
  EXPECT_EQ(events[2].outcome, Outcome::open);
  record("team");
  recorder.settle(room_name("team"), first, Outcome::gone);
  for (const FlightEvent& event : recorder.events(room_name("team"))) {
    EXPECT_NE(event.outcome, Outcome::gone);
  }
}

TEST_F(FlightRecorderTest, AnOutcomeThatComesLateIsNotTheLast) {
  const auto number = record("team");
  const auto settle = [&](Outcome outcome) {
    recorder.settle(room_name("team"), number, outcome);
    return recorder.events(room_name("team")).at(0).outcome;
  };
  EXPECT_EQ(settle(Outcome::waiting), Outcome::waiting);
  EXPECT_EQ(settle(Outcome::queued), Outcome::waiting);
  EXPECT_EQ(settle(Outcome::delivered), Outcome::delivered);
  EXPECT_EQ(settle(Outcome::waiting), Outcome::delivered);
}

TEST(FlightRecorderThreadsTest, HubsRecordWhileOthersRead) {
  SettableClock clock;
  FlightRecorderLimits limits;
  limits.events_per_room = 8;
  limits.events = 32;
  FlightRecorder recorder(clock, limits);
  constexpr int kRounds = 2000;
  std::vector<std::thread> threads;
  for (std::uint8_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRounds; ++i) {
        const RoomName room = room_name("room" + std::to_string((i + t) % 7));
        const auto number = recorder.record(room, {Kind::message, peer(t)});
        recorder.settle(room, number, Outcome::queued);
        clock.advance(1ms);
        const auto events = recorder.events(room);
        EXPECT_LE(events.size(), limits.events_per_room);
        for (std::size_t k = 1; k < events.size(); ++k) {
          EXPECT_LT(events[k - 1].number, events[k].number);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto last = recorder.record(room_name("end"), {Kind::left, peer(0)});
  EXPECT_EQ(last, 4u * kRounds + 1);
}

}  // namespace
}  // namespace voicechan

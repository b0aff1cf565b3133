#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "fake_transport.hpp"
#include "settable_clock.hpp"
#include "voicechan/call_diagnosis.hpp"
#include "voicechan/flight_recorder.hpp"

// What hubs record of signaling rooms.

namespace voicechan {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = FlightEvent::Kind;

struct Member {
  ClientPtr client;
  std::string id;
};

class HubFlightRecorderTest : public ::testing::TestWithParam<int> {
 protected:
  HubOptions options() {
    HubOptions made;
    made.flight_recorder = &recorder;
    made.max_signaling_bytes = 1000;
    made.max_peer_data_bytes = 100;
    made.room_changes_per_second = 0;
    made.signaling_burst = 200;
    made.signaling_messages_per_second = 1e-3;
    made.ice_servers = [this](UserId) {
      return IceOffer{R"([{"urls":["turn:192.0.2.1"],"credential":"hush"}])", clock.now() + 60s,
                      60s};
    };
    return made;
  }

  Member join(std::size_t hub, std::string_view room = "team") {
    Member member{system.open_signaling(hub), {}};
    system.send(*member.client,
                R"({"type":"join","data":"secret","room":")" + std::string(room) + "\"}");
    member.id = parse_json(member.client->texts().at(0)).at("id").as_string().c_str();
    return member;
  }
  void send(Member& from, std::string_view type, const std::string& to,
            std::string_view rest = "") {
    system.send(*from.client, R"({"type":")" + std::string(type) + R"(","to":")" + to + '"' +
                                  std::string(rest) + "}");
  }
  void pass(std::chrono::milliseconds time) {
    clock.advance(time);
    system.advance(time);
  }

  /// The room's events as short texts, "0" and "1" for the members; without those of coming and
  /// ICE.
  std::vector<std::string> story(const std::vector<std::string>& ids) {
    const auto name = [&](const PeerId& peer) {
      const auto found = std::find(ids.begin(), ids.end(), std::string(peer.str()));
      return found == ids.end() ? "?" : std::to_string(found - ids.begin());
    };
    std::vector<std::string> result;
    for (const FlightEvent& event : recorder.events(room_name("team"))) {
      if (event.kind == Kind::joined || event.kind == Kind::ice_servers) continue;
      std::string text = name(event.from) + ' ' + std::string(to_string(event.kind));
      if (event.kind == Kind::message) {
        text += ' ' + std::string(to_string(event.type)) + ' ' +
                (event.to ? name(*event.to) : std::string("-")) + ' ' +
                std::string(to_string(event.outcome));
      }
      if (event.kind == Kind::refused) text += ' ' + std::string(wire_code(event.code));
      result.push_back(std::move(text));
    }
    return result;
  }
  std::vector<std::string> faults() {
    std::vector<std::string> names;
    for (const Finding& each : diagnose(recorder.events(room_name("team")), clock.now())) {
      names.emplace_back(to_string(each.fault));
    }
    return names;
  }

  SettableClock clock;
  FlightRecorder recorder{clock};
  HubSystem system{static_cast<std::size_t>(GetParam()), options()};
};

TEST_P(HubFlightRecorderTest, ComingAndGoingIsRecordedHoweverItHappens) {
  auto ann = join(0);
  clock.advance(1s);
  auto bob = join(1);
  system.send(*ann.client, R"({"type":"leave"})");
  clock.advance(1s);
  bob.client->session.leave();
  const auto events = recorder.events(room_name("team"));
  std::vector<std::string> kinds;
  for (const auto& event : events) kinds.emplace_back(to_string(event.kind));
  EXPECT_THAT(kinds, ElementsAre("joined", "ice_servers", "joined", "ice_servers", "left", "left"));
  EXPECT_EQ(events[0].from.str(), ann.id);
  EXPECT_EQ(events[0].user, UserId{1});
  EXPECT_EQ(events[0].username, "user1");
  EXPECT_EQ(events[1].until, events[1].time + 60s);
  EXPECT_EQ(events[4].from.str(), ann.id);
  EXPECT_EQ(events[5].from.str(), bob.id);
  EXPECT_EQ(events[5].user, UserId{1});
  EXPECT_EQ(events[5].time - events[0].time, 2s);
}

TEST_P(HubFlightRecorderTest, MovingToAnotherRoomIsALeaveAndAJoin) {
  auto ann = join(0);
  system.send(*ann.client, R"({"type":"join","room":"other"})");
  EXPECT_THAT(story({ann.id}), ElementsAre("0 left"));
  EXPECT_EQ(recorder.events(room_name("other")).size(), 2u);
}

TEST_P(HubFlightRecorderTest, MessagesAreRecordedWithTypeSizeAndWhatBecameOfThem) {
  auto ann = join(0);
  auto bob = join(1);
  send(bob, "candidate", ann.id);
  EXPECT_THAT(story({ann.id, bob.id}), ElementsAre("1 message candidate 0 held"));
  send(bob, "offer", ann.id);
  send(ann, "answer", bob.id, R"(,"msg_id":1)");
  send(ann, "sing \\u0022 <b>", bob.id);
  bob.client->transport.congested = true;
  send(ann, "candidate", bob.id);
  EXPECT_THAT(story({ann.id, bob.id}),
              ElementsAre("1 message candidate 0 queued", "1 message offer 0 queued",
                          "0 message answer 1 delivered", "0 message other 1 queued",
                          "0 message candidate 1 busy"));
  const auto events = recorder.events(room_name("team"));
  EXPECT_EQ(events[5].bytes,
            std::string_view(R"({"type":"offer","to":""})").size() + PeerId::kLength);
}

TEST_P(HubFlightRecorderTest, AHeldCandidateIsGoneWithThePeerItIsFor) {
  auto ann = join(0);
  auto bob = join(1);
  send(bob, "candidate", ann.id);
  ann.client = nullptr;
  system.settle();
  EXPECT_THAT(story({ann.id, bob.id}), ElementsAre("1 message candidate 0 gone", "0 left"));
}

TEST_P(HubFlightRecorderTest, AMessageToWhoIsNotInTheRoomDoesNotTellWhoThatIs) {
  auto ann = join(0);
  auto [stranger, id] = system.join_signaling(1);
  auto eve = join(1, "other");
  send(ann, "offer", id);
  send(ann, "offer", eve.id);
  send(ann, "offer", "no id");
  stranger = nullptr;
  system.settle();
  send(ann, "offer", id);
  EXPECT_THAT(story({ann.id, eve.id, id}),
              ElementsAre("0 message offer - queued", "0 message offer - queued",
                          "0 refused unknown_peer", "0 message offer - unknown"));
}

TEST_P(HubFlightRecorderTest, RefusalsAreRecorded) {
  auto ann = join(0);
  system.send(*ann.client, "no JSON");
  system.send(*ann.client, R"({"type":"offer"})");
  system.send(*ann.client, R"({"type":"offer","msg_id":1})");
  system.send(*ann.client, R"({"type":"offer","x":")" + std::string(1000, 'x') + "\"}");
  system.send(*ann.client, R"({"type":"update","data":")" + std::string(101, 'x') + "\"}");
  ann.client->session.refuse(Errc::too_large);
  ann.client->session.refuse(Errc::rate_limited);
  EXPECT_THAT(story({ann.id}),
              ElementsAre("0 refused bad_message", "0 refused bad_message", "0 refused bad_message",
                          "0 refused too_large", "0 refused too_large", "0 refused too_large",
                          "0 refused rate_limited"));
  EXPECT_THAT(faults(), ElementsAre("message_too_large"));
}

TEST_P(HubFlightRecorderTest, WhoIsTooFastIsRecorded) {
  auto ann = join(0);
  for (int i = 0; i < 200; ++i) system.send(*ann.client, R"({"type":"sync","revision":1})");
  EXPECT_THAT(story({ann.id}), ElementsAre("0 refused rate_limited"));
}

TEST_P(HubFlightRecorderTest, ClientsWithoutARoomAreNotRecorded) {
  auto [ann, ann_id] = system.join_signaling(0);
  auto [bob, bob_id] = system.join_signaling(1);
  const auto speaker = system.join_voice(0, "team");
  ann->send(R"({"type":"offer","to":")" + bob_id + "\"}");
  ann->send("no JSON");
  ann->send(R"({"type":"ice_error","error_code":401})");
  ann->session.refuse(Errc::too_large);
  speaker->send("hello");
  speaker->session.refuse(Errc::rate_limited);
  ann = nullptr;
  system.settle();
  EXPECT_EQ(recorder.record(room_name("team"), {Kind::left, *PeerId::parse(bob_id)}), 1u);
}

TEST_P(HubFlightRecorderTest, WithoutARecorderRoomsWorkAsEver) {
  HubSystem plain{static_cast<std::size_t>(GetParam())};
  const auto ann = plain.open_signaling(0);
  plain.send(*ann, R"({"type":"join","room":"team"})");
  ann->transport.frames.clear();
  plain.send(*ann, R"({"type":"ice_error","error_code":401})");
  EXPECT_THAT(ann->texts(), IsEmpty());
}

TEST_P(HubFlightRecorderTest, NothingThatClientsWroteIsKept) {
  auto ann = join(0);
  auto bob = join(1);
  send(bob, "secret", ann.id, R"(,"sdp":"secret 192.0.2.7","msg_id":"secret")");
  send(bob, "offer", ann.id, R"(,"sdp":"v=0\r\na=candidate:1 1 udp 1 192.0.2.7 9 typ host")");
  send(bob, "candidate", ann.id, R"(,"candidate":"candidate:1 1 udp 1 192.0.2.7 9 typ host")");
  system.send(*bob.client, R"({"type":"ice_error","error_code":401,"url":"secret"})");
  system.send(*bob.client, R"({"type":"secret"})");
  const auto events = recorder.events(room_name("team"));
  ASSERT_EQ(events.size(), 9u);
  for (const FlightEvent& event : events) {
    // These are all the text there is in an event, beside ids.
    EXPECT_EQ(event.username, event.kind == Kind::joined ? "user1" : "");
  }
  EXPECT_TRUE(events[5].has_candidates);
  EXPECT_FALSE(events[4].has_candidates);
}

// Errors of ICE

TEST_P(HubFlightRecorderTest, AnIceErrorIsRecordedAndNotAnswered) {
  auto ann = join(0);
  ann.client->transport.frames.clear();
  system.send(*ann.client, R"({"type":"ice_error","error_code":701})");
  EXPECT_THAT(ann.client->texts(), IsEmpty());
  EXPECT_EQ(recorder.events(room_name("team")).back().error_code, 701);
  EXPECT_THAT(faults(), IsEmpty());
}

TEST_P(HubFlightRecorderTest, AnIceErrorWithoutAUsableCodeIsABadMessage) {
  auto ann = join(0);
  for (const char* code :
       {"", R"(,"error_code":"401")", R"(,"error_code":299)", R"(,"error_code":800)",
        R"(,"error_code":401.0)", R"(,"error_code":99999999999)", R"(,"error_code":null)"}) {
    ann.client->transport.frames.clear();
    system.send(*ann.client, R"({"type":"ice_error")" + std::string(code) + "}");
    ASSERT_EQ(ann.client->texts().size(), 1u) << code;
    EXPECT_EQ(parse_json(ann.client->texts()[0]).at("code"), "bad_message") << code;
  }
}

TEST_P(HubFlightRecorderTest, WhoIsRefusedByTurnWithOldCredentialsHasExpiredOnes) {
  auto ann = join(0);
  pass(59s);  // new ones have come, but perhaps are not used
  system.send(*ann.client, R"({"type":"ice_error","error_code":401})");
  EXPECT_THAT(faults(), ElementsAre("turn_credential_refused"));
  pass(1s);
  system.send(*ann.client, R"({"type":"ice_error","error_code":401})");
  EXPECT_THAT(faults(), ElementsAre("turn_credential_refused", "turn_credential_expired"));
}

TEST_P(HubFlightRecorderTest, WhoAsksForCredentialsUsesThese) {
  auto ann = join(0);
  pass(70s);
  system.send(*ann.client, R"({"type":"join","room":"team"})");
  system.send(*ann.client, R"({"type":"ice_error","error_code":401})");
  EXPECT_THAT(faults(), ElementsAre("turn_credential_refused"));
}

// Whole calls

TEST_P(HubFlightRecorderTest, AHealthyCallInWhichOffersMeetHasNoFault) {
  auto ann = join(0);
  auto bob = join(1);
  send(ann, "candidate", bob.id);
  send(ann, "offer", bob.id);
  send(bob, "offer", ann.id);
  send(bob, "candidate", ann.id);
  send(bob, "answer", ann.id);
  pass(5min);
  ann.client = nullptr;
  bob.client = nullptr;
  system.settle();
  EXPECT_THAT(faults(), IsEmpty());
}

TEST_P(HubFlightRecorderTest, AnOfferThatIsNeverAnsweredIsFound) {
  auto ann = join(0);
  auto bob = join(1);
  send(bob, "offer", ann.id);
  pass(10s);
  EXPECT_THAT(faults(), ElementsAre("offer_never_answered"));
}

TEST_P(HubFlightRecorderTest, AnOfferThatCouldNotBeDeliveredIsNoUnansweredOne) {
  auto ann = join(0);
  auto bob = join(1);
  ann.client->transport.congested = true;
  send(bob, "offer", ann.id);
  pass(10s);
  EXPECT_THAT(faults(), IsEmpty());
}

TEST_P(HubFlightRecorderTest, APeerThatLeavesBeforeAnsweringIsFound) {
  auto ann = join(0);
  auto bob = join(1);
  send(bob, "offer", ann.id);
  ann.client = nullptr;
  pass(10s);
  EXPECT_THAT(faults(), ElementsAre("peer_left_before_answer"));
}

TEST_P(HubFlightRecorderTest, AnAnswerWithoutCandidatesIsFound) {
  auto ann = join(0);
  auto bob = join(1);
  send(bob, "offer", ann.id);
  send(bob, "candidate", ann.id);
  send(ann, "answer", bob.id);
  pass(10s);
  EXPECT_THAT(faults(), ElementsAre("answer_without_candidates"));
}

INSTANTIATE_TEST_SUITE_P(Hubs, HubFlightRecorderTest, ::testing::Values(1, 3, kLate + 1, kLate + 3),
                         hub_count_name);

}  // namespace
}  // namespace voicechan

#include "voicechan/call_diagnosis.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace voicechan {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = FlightEvent::Kind;
using Outcome = FlightEvent::Outcome;
using Type = FlightEvent::Type;

const PeerId kAnn({1, 2}, {9});
const PeerId kBob({1, 2}, {5});
const PeerId kEve({1, 2}, {7});

/// A room's record, written as it happens.
class CallDiagnosisTest : public ::testing::Test {
 protected:
  CallDiagnosisTest() {
    join(kAnn, "ann");
    join(kBob, "bob");
  }

  FlightEvent& add(Kind kind, const PeerId& from) {
    events.push_back({kind, from});
    events.back().time = now;
    return events.back();
  }
  void join(const PeerId& peer, std::string name) {
    add(Kind::joined, peer).username = std::move(name);
  }
  FlightEvent& send(Type type, const PeerId& from, const PeerId& to) {
    FlightEvent& event = add(Kind::message, from);
    event.to = to;
    event.type = type;
    event.outcome = Outcome::delivered;
    return event;
  }
  void connect(const PeerId& caller, const PeerId& callee) {
    send(Type::offer, caller, callee);
    send(Type::answer, callee, caller);
    send(Type::candidate, caller, callee);
    send(Type::candidate, callee, caller);
  }
  FlightEvent& fail_ice(const PeerId& peer, int error_code) {
    FlightEvent& event = add(Kind::ice_error, peer);
    event.error_code = error_code;
    return event;
  }

  std::vector<std::string> found() const {
    std::vector<std::string> names;
    for (const Finding& finding : diagnose(events, now)) {
      names.emplace_back(to_string(finding.fault));
    }
    return names;
  }

  WallTime now{1'795'341'600s};
  std::vector<FlightEvent> events;
};

TEST_F(CallDiagnosisTest, AnEmptyRecordHasNoFault) {
  EXPECT_THAT(diagnose({}, now), IsEmpty());
  now += 1h;
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(CallDiagnosisTest, AHealthyCallHasNoFault) {
  connect(kBob, kAnn);
  now += 60s;
  send(Type::offer, kAnn, kBob);  // adds a track: no new candidates are needed
  send(Type::answer, kBob, kAnn);
  now += 60s;
  add(Kind::left, kAnn);
  now += 60s;
  EXPECT_THAT(found(), IsEmpty());
}

// offer_never_answered

TEST_F(CallDiagnosisTest, AnOfferWithoutAnswerIsAFaultAfterTenSeconds) {
  now += 1s;
  send(Type::offer, kBob, kAnn);
  now += 9'999'999us;
  EXPECT_THAT(found(), IsEmpty());
  now += 1us;
  const auto findings = diagnose(events, now);
  ASSERT_THAT(found(), ElementsAre("offer_never_answered"));
  EXPECT_THAT(findings[0].peers, ElementsAre(kBob, kAnn));
  EXPECT_EQ(findings[0].time, now - 10s);
  EXPECT_EQ(findings[0].detail, "ann has not answered the offer of bob");
}

TEST_F(CallDiagnosisTest, OffersThatAreRepeatedAreOneFaultFromTheFirstOn) {
  for (int i = 0; i < 4; ++i) {
    send(Type::offer, kBob, kAnn);
    now += 3s;
  }
  EXPECT_THAT(found(), ElementsAre("offer_never_answered"));
}

TEST_F(CallDiagnosisTest, AnAnswerThatComesLateIsOne) {
  send(Type::offer, kBob, kAnn);
  now += 30s;
  EXPECT_THAT(found(), ElementsAre("offer_never_answered"));
  send(Type::answer, kAnn, kBob);
  send(Type::candidate, kAnn, kBob);
  send(Type::candidate, kBob, kAnn);
  now += 30s;
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(CallDiagnosisTest, TheAnswerOfSomebodyElseIsNone) {
  join(kEve, "eve");
  send(Type::offer, kBob, kAnn);
  send(Type::answer, kEve, kBob);
  now += 10s;
  EXPECT_THAT(found(), ElementsAre("offer_never_answered"));
}

TEST_F(CallDiagnosisTest, AnAnswerByTheOffererIsNone) {
  send(Type::offer, kBob, kAnn);
  send(Type::answer, kBob, kAnn);
  now += 10s;
  EXPECT_THAT(found(), ElementsAre("offer_never_answered"));
}

TEST_F(CallDiagnosisTest, AnOfferThatWasNotSentIsNone) {
  for (const Outcome outcome : {Outcome::unknown, Outcome::busy}) {
    send(Type::offer, kBob, kAnn).outcome = outcome;
  }
  add(Kind::message, kBob).type = Type::offer;  // to somebody who is not in the room
  now += 20s;
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(CallDiagnosisTest, AnAnswerThatWasNotSentIsNone) {
  send(Type::offer, kBob, kAnn);
  send(Type::answer, kAnn, kBob).outcome = Outcome::busy;
  now += 20s;
  EXPECT_THAT(found(), ElementsAre("offer_never_answered"));
}

TEST_F(CallDiagnosisTest, WhoLeavesLongAfterAnOfferHasHadTimeToAnswer) {
  send(Type::offer, kBob, kAnn);
  now += 10s;
  add(Kind::left, kAnn);
  EXPECT_THAT(found(), ElementsAre("offer_never_answered"));
}

TEST_F(CallDiagnosisTest, WhoHasWaitedInVainMayLeave) {
  send(Type::offer, kBob, kAnn);
  now += 10s;
  add(Kind::left, kBob);
  EXPECT_THAT(found(), ElementsAre("offer_never_answered"));
}

// Two offers that meet: the polite side takes its own back

TEST_F(CallDiagnosisTest, OffersThatMeetAreNoFaultIfOneIsAnswered) {
  for (const bool ann_is_first : {true, false}) {
    for (const bool ann_is_polite : {true, false}) {
      const PeerId& first = ann_is_first ? kAnn : kBob;
      const PeerId& polite = ann_is_polite ? kAnn : kBob;
      send(Type::offer, first, first == kAnn ? kBob : kAnn);
      send(Type::offer, first == kAnn ? kBob : kAnn, first);
      send(Type::answer, polite, polite == kAnn ? kBob : kAnn);
      send(Type::candidate, kAnn, kBob);
      send(Type::candidate, kBob, kAnn);
      now += 20s;
      EXPECT_THAT(found(), IsEmpty());
    }
  }
}

TEST_F(CallDiagnosisTest, OffersThatMeetAndAreNotAnsweredAreOneFault) {
  send(Type::offer, kAnn, kBob);
  send(Type::offer, kBob, kAnn);
  now += 10s;
  ASSERT_THAT(found(), ElementsAre("offer_never_answered"));
  EXPECT_THAT(diagnose(events, now)[0].peers, ElementsAre(kBob, kAnn));
}

TEST_F(CallDiagnosisTest, AnOfferInsteadOfAnAnswerIsToBeAnswered) {
  send(Type::offer, kAnn, kBob);
  now += 9s;
  send(Type::offer, kBob, kAnn);
  now += 9s;
  EXPECT_THAT(found(), IsEmpty());
  now += 1s;
  EXPECT_THAT(found(), ElementsAre("offer_never_answered"));
}

// peer_left_before_answer

TEST_F(CallDiagnosisTest, WhoLeavesBeforeAnsweringIsAFault) {
  send(Type::offer, kBob, kAnn);
  now += 3s;
  add(Kind::left, kAnn);
  const auto findings = diagnose(events, now);
  ASSERT_THAT(found(), ElementsAre("peer_left_before_answer"));
  EXPECT_THAT(findings[0].peers, ElementsAre(kBob, kAnn));
  EXPECT_EQ(findings[0].time, now);
  EXPECT_THAT(findings[0].detail, HasSubstr("ann left"));
  now += 60s;
  add(Kind::left, kBob);
  EXPECT_THAT(found(), ElementsAre("peer_left_before_answer"));
}

TEST_F(CallDiagnosisTest, ACallerWhoHangsUpSoonIsNoFault) {
  send(Type::offer, kBob, kAnn);
  now += 3s;
  add(Kind::left, kBob);
  now += 60s;
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(CallDiagnosisTest, WhoLeavesConcernsOnlyHisCalls) {
  join(kEve, "eve");
  send(Type::offer, kBob, kAnn);
  send(Type::offer, kEve, kAnn);
  add(Kind::left, kEve);
  send(Type::answer, kAnn, kBob);
  send(Type::candidate, kAnn, kBob);
  send(Type::candidate, kBob, kAnn);
  now += 60s;
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(CallDiagnosisTest, WhoComesAgainBeginsAnew) {
  send(Type::offer, kBob, kAnn);
  add(Kind::left, kAnn);
  join(kAnn, "ann");
  connect(kBob, kAnn);
  now += 60s;
  EXPECT_THAT(found(), ElementsAre("peer_left_before_answer"));
}

// answer_without_candidates

TEST_F(CallDiagnosisTest, AnAnswerWithoutCandidatesOfOneSideIsAFaultAfterTenSeconds) {
  for (const bool ann_has_some : {true, false}) {
    events.clear();
    join(kAnn, "ann");
    join(kBob, "bob");
    send(Type::offer, kBob, kAnn);
    send(Type::answer, kAnn, kBob);
    send(Type::candidate, ann_has_some ? kAnn : kBob, ann_has_some ? kBob : kAnn);
    now += 9'999'999us;
    EXPECT_THAT(found(), IsEmpty());
    now += 1us;
    const auto findings = diagnose(events, now);
    ASSERT_THAT(found(), ElementsAre("answer_without_candidates"));
    EXPECT_THAT(findings[0].peers, ElementsAre(kAnn, kBob));
    EXPECT_EQ(findings[0].time, now - 10s);
    EXPECT_EQ(findings[0].detail, std::string("ann answered the offer of bob, but ") +
                                      (ann_has_some ? "bob" : "ann") + " has sent no candidates");
  }
}

TEST_F(CallDiagnosisTest, AnAnswerWithoutAnyCandidatesIsOneFault) {
  send(Type::offer, kBob, kAnn);
  send(Type::answer, kAnn, kBob);
  now += 10s;
  ASSERT_THAT(found(), ElementsAre("answer_without_candidates"));
  EXPECT_THAT(diagnose(events, now)[0].detail, HasSubstr("neither of them"));
  add(Kind::left, kBob);
  now += 10s;
  EXPECT_THAT(found(), ElementsAre("answer_without_candidates"));
}

TEST_F(CallDiagnosisTest, WhoLeavesSoonAfterTheAnswerOwesNoCandidates) {
  send(Type::offer, kBob, kAnn);
  send(Type::answer, kAnn, kBob);
  now += 5s;
  add(Kind::left, kBob);
  now += 60s;
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(CallDiagnosisTest, CandidatesWithinOfferAndAnswerAreSome) {
  send(Type::offer, kBob, kAnn).has_candidates = true;
  send(Type::answer, kAnn, kBob).has_candidates = true;
  now += 60s;
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(CallDiagnosisTest, CandidatesThatWereNotSentAreNone) {
  send(Type::offer, kBob, kAnn);
  send(Type::answer, kAnn, kBob);
  send(Type::candidate, kBob, kAnn);
  for (const Outcome outcome : {Outcome::held, Outcome::busy, Outcome::unknown}) {
    send(Type::candidate, kAnn, kBob).outcome = outcome;
  }
  now += 10s;
  EXPECT_THAT(found(), ElementsAre("answer_without_candidates"));
}

TEST_F(CallDiagnosisTest, ARecordThatDoesNotReachBackSaysNothingAboutCandidates) {
  events.clear();
  send(Type::offer, kBob, kAnn);
  send(Type::answer, kAnn, kBob);
  now += 60s;
  EXPECT_THAT(found(), IsEmpty());
}

// TURN

TEST_F(CallDiagnosisTest, ARefusalByTurnAfterTheEndOfTheCredentialsIsTheirEnd) {
  FlightEvent& error = fail_ice(kBob, 401);
  error.until = now;
  fail_ice(kBob, 401).until = now;  // one for each URL
  const auto findings = diagnose(events, now);
  ASSERT_THAT(found(), ElementsAre("turn_credential_expired"));
  EXPECT_THAT(findings[0].peers, ElementsAre(kBob));
  EXPECT_EQ(findings[0].detail,
            "a TURN server refused bob, whose credentials ended at 2026-11-22T10:00:00.000000Z");
}

TEST_F(CallDiagnosisTest, ARefusalByTurnOfValidCredentialsIsAnotherFault) {
  fail_ice(kBob, 401).until = now + 1us;
  fail_ice(kAnn, 401);  // has got none from us
  EXPECT_THAT(found(), ElementsAre("turn_credential_refused", "turn_credential_refused"));
}

TEST_F(CallDiagnosisTest, OtherErrorsOfIceSayNothingOfCredentials) {
  for (const int code : {300, 437, 438, 701}) fail_ice(kBob, code).until = now - 1s;
  EXPECT_THAT(found(), IsEmpty());
}

// message_too_large

TEST_F(CallDiagnosisTest, AMessageThatIsTooLargeIsAFaultOfItsSender) {
  for (int i = 0; i < 3; ++i) add(Kind::refused, kAnn).code = Errc::too_large;
  ASSERT_THAT(found(), ElementsAre("message_too_large"));
  const auto findings = diagnose(events, now);
  EXPECT_THAT(findings[0].peers, ElementsAre(kAnn));
  EXPECT_THAT(findings[0].detail, HasSubstr("ann sent"));
}

TEST_F(CallDiagnosisTest, OtherRefusalsHaveTheirAnswersOnly) {
  for (const Errc code : {Errc::bad_message, Errc::rate_limited, Errc::unknown_peer}) {
    add(Kind::refused, kAnn).code = code;
  }
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(CallDiagnosisTest, FindingsAreInOrderOfTime) {
  send(Type::offer, kBob, kAnn);
  now += 1s;
  add(Kind::refused, kAnn).code = Errc::too_large;
  now += 10s;
  EXPECT_THAT(found(), ElementsAre("offer_never_answered", "message_too_large"));
}

TEST_F(CallDiagnosisTest, EveryFaultHasANameOfItsOwn) {
  EXPECT_EQ(to_string(Fault::offer_never_answered), "offer_never_answered");
  EXPECT_EQ(to_string(Fault::answer_without_candidates), "answer_without_candidates");
  EXPECT_EQ(to_string(Fault::peer_left_before_answer), "peer_left_before_answer");
  EXPECT_EQ(to_string(Fault::turn_credential_expired), "turn_credential_expired");
  EXPECT_EQ(to_string(Fault::turn_credential_refused), "turn_credential_refused");
  EXPECT_EQ(to_string(Fault::message_too_large), "message_too_large");
}

}  // namespace
}  // namespace voicechan

#include "voicechan/call_diagnosis.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace voicechan {
namespace {

using Kind = FlightEvent::Kind;
using Type = FlightEvent::Type;
using Outcome = FlightEvent::Outcome;

constexpr int kUnauthorized = 401;  // RFC 8489, section 14.8

/// What two peers have sent each other since the later one came. Sides are indices; the other side
/// of `i` is `1 - i`.
struct Call {
  std::array<PeerId, 2> peers;
  /// When a side made the first of its offers since the last answer.
  std::array<std::optional<WallTime>, 2> offered{};
  std::size_t last_offer = 0;  // the side that made it
  struct Answer {
    WallTime time;
    std::size_t side;
  };
  std::optional<Answer> answer{};  // the first one
  std::array<bool, 2> has_candidates{};
};

/// Goes through the events of a room once.
class Examination {
 public:
  void take(const FlightEvent& event) {
    switch (event.kind) {
      case Kind::joined:
        names_[event.from.str()] = event.username;
        left_.erase(event.from.str());
        return;
      case Kind::left:
        left_.insert(event.from.str());
        return end_calls_of(event.from, event.time);
      case Kind::message:
        // A message may have been on its way to somebody who left.
        if (event.to && left_.count(event.to->str()) == 0) take_message(event);
        return;
      case Kind::refused:
        if (event.code == Errc::too_large) {
          find_once(Fault::message_too_large, event,
                    name(event.from) + " sent a message that was too long");
        }
        return;
      case Kind::ice_servers:
        return;
      case Kind::ice_error:
        if (event.error_code == kUnauthorized) take_refusal_by_turn(event);
        return;
    }
  }

  std::vector<Finding> finish(WallTime now) && {
    for (const auto& [key, call] : calls_) end(call, now, std::nullopt);
    std::stable_sort(findings_.begin(), findings_.end(),
                     [](const Finding& a, const Finding& b) { return a.time < b.time; });
    return std::move(findings_);
  }

 private:
  // Ids, the lesser first; they are those of the events.
  using Pair = std::pair<std::string_view, std::string_view>;

  static Pair pair_of(const PeerId& a, const PeerId& b) {
    return a.str() < b.str() ? Pair(a.str(), b.str()) : Pair(b.str(), a.str());
  }

  void take_message(const FlightEvent& event) {
    if (event.outcome == Outcome::unknown || event.outcome == Outcome::busy) return;  // not sent
    Call& call = calls_.try_emplace(pair_of(event.from, *event.to), Call{{event.from, *event.to}})
                     .first->second;
    const std::size_t side = call.peers[0] == event.from ? 0 : 1;
    if (event.has_candidates) call.has_candidates[side] = true;
    switch (event.type) {
      case Type::offer:
        if (!call.offered[side]) call.offered[side] = event.time;
        call.last_offer = side;
        return;
      case Type::answer:
        // If the answerer had made an offer itself, it has taken that back (perfect negotiation).
        if (!call.offered[1 - side]) return;
        call.offered = {};
        if (!call.answer) call.answer = {event.time, side};
        return;
      case Type::candidate:
        if (event.outcome != Outcome::held) call.has_candidates[side] = true;
        return;
      case Type::other:
        return;
    }
  }

  void take_refusal_by_turn(const FlightEvent& event) {
    if (event.until && event.time >= *event.until) {
      find_once(Fault::turn_credential_expired, event,
                "a TURN server refused " + name(event.from) + ", whose credentials ended at " +
                    format_rfc3339(*event.until));
    } else {
      find_once(Fault::turn_credential_refused, event,
                "a TURN server refused " + name(event.from) +
                    ", whose credentials have not ended: it may have another secret or clock");
    }
  }

  void end_calls_of(const PeerId& peer, WallTime time) {
    for (auto each = calls_.begin(); each != calls_.end();) {
      const Call& call = each->second;
      if (call.peers[0] == peer || call.peers[1] == peer) {
        end(call, time, call.peers[0] == peer ? 0 : 1);
        each = calls_.erase(each);
      } else {
        ++each;
      }
    }
  }

  /// Judges a call that ended, or has come to, at `time`.
  void end(const Call& call, WallTime time, std::optional<std::size_t> leaver) {
    const std::size_t caller = call.last_offer;
    if (call.offered[caller] && time - *call.offered[caller] >= kCallPatience) {
      const PeerId& callee = call.peers[1 - caller];
      find(Fault::offer_never_answered, *call.offered[caller], {call.peers[caller], callee},
           name(callee) + " has not answered the offer of " + name(call.peers[caller]));
    } else if (leaver && call.offered[1 - *leaver]) {
      const PeerId& offerer = call.peers[1 - *leaver];
      find(Fault::peer_left_before_answer, time, {offerer, call.peers[*leaver]},
           name(call.peers[*leaver]) + " left before it answered the offer of " + name(offerer));
    }
    if (call.answer && time - call.answer->time >= kCallPatience) judge_candidates(call);
  }

  void judge_candidates(const Call& call) {
    const auto& [has_first, has_second] = call.has_candidates;
    if (has_first && has_second) return;
    // Of peers that have been here for longer than the record goes back, candidates may have been
    // forgotten.
    if (!is_newcomer(call.peers[0]) && !is_newcomer(call.peers[1])) return;
    const PeerId& answerer = call.peers[call.answer->side];
    const PeerId& offerer = call.peers[1 - call.answer->side];
    const std::string what = has_first    ? name(call.peers[1]) + " has sent no candidates"
                             : has_second ? name(call.peers[0]) + " has sent no candidates"
                                          : std::string("neither of them has sent candidates");
    find(Fault::answer_without_candidates, call.answer->time, {answerer, offerer},
         name(answerer) + " answered the offer of " + name(offerer) + ", but " + what);
  }

  bool is_newcomer(const PeerId& peer) const { return names_.count(peer.str()) != 0; }

  std::string name(const PeerId& peer) const {
    const auto found = names_.find(peer.str());
    return std::string(found == names_.end() ? peer.str() : found->second);
  }

  void find(Fault fault, WallTime time, std::vector<PeerId> peers, std::string detail) {
    findings_.push_back({fault, time, std::move(peers), std::move(detail)});
  }

  /// What a peer does once it may do a hundred times.
  void find_once(Fault fault, const FlightEvent& event, std::string detail) {
    if (found_.emplace(fault, event.from.str()).second) {
      find(fault, event.time, {event.from}, std::move(detail));
    }
  }

  std::map<std::string_view, std::string_view> names_;  // users', of those whose coming is recorded
  std::set<std::string_view> left_;
  std::map<Pair, Call> calls_;
  std::set<std::pair<Fault, std::string_view>> found_;
  std::vector<Finding> findings_;
};

}  // namespace

std::string_view to_string(Fault fault) noexcept {
  switch (fault) {
    case Fault::offer_never_answered:
      return "offer_never_answered";
    case Fault::answer_without_candidates:
      return "answer_without_candidates";
    case Fault::peer_left_before_answer:
      return "peer_left_before_answer";
    case Fault::turn_credential_expired:
      return "turn_credential_expired";
    case Fault::turn_credential_refused:
      return "turn_credential_refused";
    case Fault::message_too_large:
      return "message_too_large";
  }
  return {};
}

std::vector<Finding> diagnose(const std::vector<FlightEvent>& events, WallTime now) {
  Examination examination;
  for (const FlightEvent& event : events) examination.take(event);
  return std::move(examination).finish(now);
}

}  // namespace voicechan

#include "json_views.hpp"

#include <boost/json.hpp>
#include <utility>

namespace voicechan::server {
namespace {

namespace json = boost::json;

json::string_view view(std::string_view text) { return {text.data(), text.size()}; }

json::object to_object(const Channel& channel) {
  return {{"id", channel.id.value},
          {"name", channel.name},
          {"creator", channel.creator.value},
          {"created_at", format_rfc3339(channel.created_at)}};
}

json::object to_object(const FlightEvent& event) {
  using Kind = FlightEvent::Kind;
  json::object object{{"time", format_rfc3339(event.time)},
                      {"kind", view(to_string(event.kind))},
                      {"from", view(event.from.str())},
                      {"user_id", event.user.value}};
  switch (event.kind) {
    case Kind::joined:
      object["username"] = event.username;
      break;
    case Kind::left:
      break;
    case Kind::message:
      object["to"] = event.to ? json::value(view(event.to->str())) : json::value();
      object["type"] = view(to_string(event.type));
      object["bytes"] = event.bytes;
      if (event.has_candidates) object["has_candidates"] = true;
      object["outcome"] = view(to_string(event.outcome));
      break;
    case Kind::refused:
      object["code"] = view(wire_code(event.code));
      break;
    case Kind::ice_error:
      object["error_code"] = event.error_code;
      break;
    case Kind::ice_servers:
      break;
  }
  if (event.until) object["until"] = format_rfc3339(*event.until);
  return object;
}

json::object to_object(const Finding& finding) {
  json::array peers;
  for (const PeerId& peer : finding.peers) peers.emplace_back(view(peer.str()));
  return {{"name", view(to_string(finding.fault))},
          {"time", format_rfc3339(finding.time)},
          {"peers", std::move(peers)},
          {"detail", finding.detail}};
}

json::object to_object(const VoiceMember& member) {
  return {{"member", voice_member_number(member.since)},
          {"user_id", member.user.id.value},
          {"username", member.user.username}};
}

/// Object by object: a list can be long, and a tree of it would be many times as long.
template <class Values>
std::string to_array(const Values& values) {
  std::string out = "[";
  for (const auto& value : values) {
    if (out.size() > 1) out += ',';
    out += json::serialize(to_object(value));
  }
  return out += ']';
}

}  // namespace

std::string to_json(const Channel& channel) { return json::serialize(to_object(channel)); }

std::string to_json(const std::vector<Channel>& channels) { return to_array(channels); }

std::string to_json(const RoomName& room, const std::vector<FlightEvent>& events,
                    const std::vector<Finding>& findings) {
  return R"({"room":)" + json::serialize(view(room.str())) + R"(,"events":)" + to_array(events) +
         R"(,"findings":)" + to_array(findings) + '}';
}

std::string to_json(const Invitation& invitation) {
  return json::serialize(json::object{{"id", invitation.id.value},
                                      {"voice_channel", invitation.channel.value},
                                      {"addressee", invitation.addressee.value},
                                      {"inviter", invitation.inviter.value},
                                      {"status", view(to_string(invitation.status))},
                                      {"created_at", format_rfc3339(invitation.created_at)}});
}

std::string to_json(const VoiceMemberPage& page) {
  return R"({"revision":)" + std::to_string(page.revision) + R"(,"members":)" +
         to_array(page.members) + '}';
}

HttpResponse make_field_errors_response(const std::vector<FieldError>& errors) {
  json::object body;
  for (const auto& [field, reason] : errors) {
    auto& reasons = body[view(field)];
    if (!reasons.is_array()) reasons = json::array();
    reasons.get_array().emplace_back(view(reason));
  }
  HttpResponse response;
  response.status = 400;
  response.body = json::serialize(body);
  return response;
}

HttpResponse make_detail_response(unsigned status, std::string_view detail) {
  HttpResponse response;
  response.status = status;
  response.body = json::serialize(json::object{{"detail", view(detail)}});
  return response;
}

}  // namespace voicechan::server

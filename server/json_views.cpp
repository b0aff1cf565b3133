#include "json_views.hpp"

#include <boost/json.hpp>

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

}  // namespace

std::string to_json(const Channel& channel) { return json::serialize(to_object(channel)); }

std::string to_json(const std::vector<Channel>& channels) {
  // Channel by channel: a listing can be long, and a tree of it would be many times as long.
  std::string out = "[";
  for (const Channel& channel : channels) {
    if (out.size() > 1) out += ',';
    out += to_json(channel);
  }
  return out += ']';
}

std::string to_json(const Invitation& invitation) {
  return json::serialize(json::object{{"id", invitation.id.value},
                                      {"voice_channel", invitation.channel.value},
                                      {"addressee", invitation.addressee.value},
                                      {"inviter", invitation.inviter.value},
                                      {"status", view(to_string(invitation.status))},
                                      {"created_at", format_rfc3339(invitation.created_at)}});
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

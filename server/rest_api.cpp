#include "rest_api.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <chrono>

#include "api_documents.hpp"
#include "credential_error.hpp"
#include "header_tokens.hpp"
#include "json_views.hpp"
#include "paging.hpp"

namespace voicechan::server {
namespace {

namespace json = boost::json;

constexpr std::string_view kChannelsPath = "/api/voice_channels/voice_channels/";
constexpr std::string_view kRequired = "This field is required.";
constexpr std::string_view kNull = "This field may not be null.";
constexpr std::string_view kNotAString = "Not a valid string.";
constexpr std::string_view kNotAnId = "A valid integer is required.";
constexpr std::string_view kUnknownChannel = "No voice channel has this id.";
constexpr std::string_view kUnknownUser = "No user has this id.";
constexpr std::string_view kDiffer = "\"addressee\" and \"recipient\" differ.";
constexpr std::string_view kBadName =
    "A name has 1 to 255 characters after trimming white space, and no control characters.";

/// The request's JSON object; nothing if the body is anything else.
std::optional<json::object> parse_object(const std::string& body, std::size_t max_depth) {
  json::parse_options options;
  options.max_depth = max_depth;
  json::error_code error;
  json::value value = json::parse(body, error, {}, options);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

/// An id as Django accepts it: an integer or a string of digits.
std::optional<std::int64_t> parse_id(const json::value& value) {
  if (value.is_int64()) return value.get_int64();
  if (value.is_uint64()) return std::numeric_limits<std::int64_t>::max();
  if (!value.is_string()) return std::nullopt;
  return parse_digits(trim_ows(std::string_view(value.get_string())));
}

/// Reads the id in member `name`, or notes in `errors`, under `reported_name`, why there is none.
std::optional<std::int64_t> read_id(const json::object& object, std::string_view name,
                                    std::string_view reported_name,
                                    std::vector<FieldError>& errors) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  if (value == nullptr) {
    errors.emplace_back(reported_name, kRequired);
    return std::nullopt;
  }
  const auto id = parse_id(*value);
  if (!id) errors.emplace_back(reported_name, value->is_null() ? kNull : kNotAnId);
  return id;
}

/// The invited user: "addressee", which some clients call "recipient".
std::optional<std::int64_t> read_addressee(const json::object& object,
                                           std::vector<FieldError>& errors) {
  if (!object.contains("recipient")) return read_id(object, "addressee", "addressee", errors);
  const auto recipient = read_id(object, "recipient", "addressee", errors);
  if (!recipient || !object.contains("addressee")) return recipient;
  const auto addressee = read_id(object, "addressee", "addressee", errors);
  if (!addressee || addressee == recipient) return addressee;
  errors.emplace_back("addressee", kDiffer);
  return std::nullopt;
}

/// The part of a listing that `?limit=&after=` asks for.
struct PageAsked {
  std::int64_t after = 0;
  std::optional<std::size_t> limit;  // none: all
};

PageAsked read_page(const Route& route, std::vector<FieldError>& errors) {
  PageAsked page;
  const auto after = route.parameter("after");
  const auto limit = route.parameter("limit");
  if (after) {
    const auto id = parse_digits(*after);
    if (!id) errors.emplace_back("after", kNotAnId);
    page.after = id.value_or(0);
    page.limit = kDefaultPageSize;  // with `after` alone
  }
  if (limit) {
    page.limit = parse_limit(*limit);
    if (!page.limit) errors.emplace_back("limit", kNotALimit);
  }
  return page;
}

template <class Id>
std::pair<std::string, std::string> make_next_link(std::string_view path, std::size_t limit,
                                                   Id after) {
  return {"Link", '<' + std::string(path) + "?limit=" + std::to_string(limit) +
                      "&after=" + std::to_string(after) + ">; rel=\"next\""};
}

HttpResponse make_created_response(std::string body) {
  HttpResponse response;
  response.status = 201;
  response.body = std::move(body);
  return response;
}

HttpResponse make_ok_response(std::string body) {
  HttpResponse response;
  response.body = std::move(body);
  return response;
}

HttpResponse make_not_an_object_response() {
  return make_detail_response(400, "The body must be a JSON object.");
}

bool is_json_media_type(std::string_view content_type) {
  const std::size_t semicolon = content_type.find(';');
  if (!equals_ignoring_case(trim_ows(content_type.substr(0, semicolon)), "application/json")) {
    return false;
  }
  // JSON is UTF-8 (RFC 8259, section 8.1); a charset that says otherwise is a mistake. Other
  // parameters mean nothing.
  std::string_view rest = content_type.substr(std::min(semicolon, content_type.size()));
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view parameter = trim_ows(rest.substr(0, end));
    rest.remove_prefix(end);
    if (equals_ignoring_case(parameter.substr(0, 8), "charset=") &&
        !equals_ignoring_case(parameter, "charset=utf-8") &&
        !equals_ignoring_case(parameter, "charset=\"utf-8\"")) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<HttpResponse> answer_early(const HttpRequest& request, const Route& route) {
  const std::string allow(allowed_methods(route.endpoint));
  if (request.method == "OPTIONS") return make_options_response(allow);
  if (!is_allowed(route.endpoint, request.method)) {
    HttpResponse response = make_detail_response(405, "This method is not allowed here.");
    response.fields = {{"Allow", allow}};
    return response;
  }
  if (route.endpoint == Endpoint::schema) return make_ok_response(std::string(kOpenApiDocument));
  if (route.endpoint == Endpoint::websocket_schema) {
    return make_ok_response(std::string(kAsyncApiDocument));
  }
  if (request.method != "POST" || route.endpoint == Endpoint::admin_kick) return std::nullopt;
  if (!request.has_body_length) {
    return make_detail_response(411, "A POST needs a Content-Length or a chunked body.");
  }
  if (request.has_field("content-type") && !is_json_media_type(request.field("content-type"))) {
    return make_detail_response(415, "The body must be application/json in UTF-8.");
  }
  if (request.has_field("content-encoding") &&
      !equals_ignoring_case(request.field("content-encoding"), "identity")) {
    HttpResponse response = make_detail_response(415, "The body must not be encoded.");
    response.fields = {{"Accept-Encoding", "identity"}};
    return response;
  }
  return std::nullopt;
}

HttpResponse make_options_response(std::string_view allow) {
  const std::string methods(allow);
  HttpResponse response = make_ok_response(json::serialize(json::object{{"allow", methods}}));
  response.fields = {{"Allow", methods}};
  return response;
}

HttpResponse make_unauthorized_response(std::error_code refusal) {
  HttpResponse response = make_detail_response(
      401, "A valid key is needed: \"Authorization: Token <key>\" or \"Bearer <key>\".");
  std::string challenge = "Bearer realm=\"voicechan\"";
  if (refusal != CredentialErrc::missing) {
    response = make_detail_response(401, refusal.message());
    challenge += ", error=\"invalid_token\", error_description=\"" + refusal.message() + '"';
  }
  response.fields = {{"WWW-Authenticate", challenge + ", Token realm=\"voicechan\""}};
  return response;
}

HttpResponse make_unavailable_response(std::string_view detail) {
  HttpResponse response = make_detail_response(503, detail);
  response.fields = {{"Retry-After", "1"}};
  return response;
}

HttpResponse make_too_many_response(std::string_view detail) {
  HttpResponse response = make_detail_response(429, detail);
  response.fields = {{"Retry-After", "1"}};
  return response;
}

HttpResponse make_failure_response(std::error_code error) {
  if (is_refusal(error)) return make_unauthorized_response(error);
  const int status =
      error.category() == error_category() ? http_status(static_cast<Errc>(error.value())) : 500;
  if (status == 503) return make_unavailable_response(error.message());
  if (error == Errc::rate_limited) {  // of `KeyGuard`
    return make_too_many_response("Too many wrong keys came from this address.");
  }
  return make_detail_response(static_cast<unsigned>(status), error.message());
}

HttpResponse RestApi::fail(std::error_code error) {
  HttpResponse response = make_failure_response(error);
  if (response.status == 503) fault_log_.on_failure(error, std::chrono::steady_clock::now());
  return response;
}

std::optional<HttpResponse> RestApi::handle(const HttpRequest& request, const Route& route,
                                            const ClientAddress& address, NewUsers new_users) {
  const auto key = find_authorization_key(request);
  bool is_operator = false;
  const auto user = key_guard_->check(address, key, [&]() -> Result<Identity> {
    is_operator = route.endpoint == Endpoint::trace && key && traces_ != nullptr &&
                  traces_->is_operator(*key);
    return is_operator ? Identity{} : authenticator_->identify(key, new_users);
  });
  if (user.error() == CredentialErrc::new_subject) return std::nullopt;
  if (!user) return fail(user.error());
  if (is_operator) return make_ok_response(traces_->show(*route.room));
  return answer(*user, request, route);
}

HttpResponse RestApi::answer(const Identity& user, const HttpRequest& request, const Route& route) {
  if (!user_counts_->take_request(user.id, std::chrono::steady_clock::now())) {
    return make_too_many_response("This user makes too many requests.");
  }
  switch (route.endpoint) {
    case Endpoint::channels:
      return request.method == "POST" ? create_channel(user, request.body)
                                      : list_channels(user, route);
    case Endpoint::channel:
      return get_channel(user, route.channel);
    case Endpoint::channel_members:
      return list_members(user, route);
    case Endpoint::invite:
      return invite(user, request.body);
    case Endpoint::ice_servers:
      return list_ice_servers(user);
    case Endpoint::trace:
      return show_trace(user, *route.room);
    default:  // what has no user, which does not come here
      break;
  }
  return make_detail_response(404, "Not found.");
}

HttpResponse RestApi::list_channels(const Identity& user, const Route& route) {
  std::vector<FieldError> errors;
  const PageAsked asked = read_page(route, errors);
  if (!errors.empty()) return make_field_errors_response(errors);

  ChannelPage page;
  page.after = ChannelId{asked.after};
  if (asked.limit) page.limit = *asked.limit + 1;  // one more tells whether there is a next page
  auto channels = directory_->list_channels(user, page);
  if (!channels) return fail(channels.error());
  HttpResponse response;
  if (asked.limit && channels->size() > *asked.limit) {
    channels->pop_back();
    response.fields = {make_next_link(kChannelsPath, *asked.limit, channels->back().id.value)};
  }
  response.body = to_json(*channels);
  return response;
}

HttpResponse RestApi::list_members(const Identity& user, const Route& route) {
  std::vector<FieldError> errors;
  const PageAsked asked = read_page(route, errors);
  if (!errors.empty()) return make_field_errors_response(errors);
  const auto channel = directory_->get_channel(user, route.channel);
  if (channel.error() == Errc::unknown_channel) return make_detail_response(404, "Not found.");
  if (!channel) return fail(channel.error());

  const VoiceMemberPage page =
      voice_presence_->list(voice_room(channel->id), static_cast<std::uint64_t>(asked.after),
                            asked.limit.value_or(VoicePresence::kNoLimit));
  HttpResponse response;
  if (page.has_more) {
    const std::string path =
        std::string(kChannelsPath) + std::to_string(channel->id.value) + "/members/";
    response.fields = {make_next_link(path, *asked.limit, page.members.back().since)};
  }
  response.body = to_json(page);
  return response;
}

HttpResponse RestApi::create_channel(const Identity& user, const std::string& body) {
  const auto object = parse_object(body, max_json_depth_);
  if (!object) return make_not_an_object_response();
  const json::value* value = object->if_contains("name");
  if (value == nullptr) return make_field_errors_response({{"name", kRequired}});
  if (value->is_null()) return make_field_errors_response({{"name", kNull}});
  if (!value->is_string()) return make_field_errors_response({{"name", kNotAString}});
  const auto name = ChannelName::parse(std::string_view(value->get_string()));
  if (!name) return make_field_errors_response({{"name", kBadName}});
  const auto channel = directory_->create_channel(user, *name);
  if (!channel) return fail(channel.error());
  fault_log_.on_write();
  return make_created_response(to_json(*channel));
}

HttpResponse RestApi::get_channel(const Identity& user, ChannelId id) {
  const auto channel = directory_->get_channel(user, id);
  if (channel) return make_ok_response(to_json(*channel));
  return channel.error() == Errc::unknown_channel ? make_detail_response(404, "Not found.")
                                                  : fail(channel.error());
}

HttpResponse RestApi::invite(const Identity& user, const std::string& body) {
  const auto object = parse_object(body, max_json_depth_);
  if (!object) return make_not_an_object_response();
  std::vector<FieldError> errors;
  const auto channel = read_id(*object, "voice_channel", "voice_channel", errors);
  const auto addressee = read_addressee(*object, errors);
  if (!channel || !addressee) {
    // What can be read may be wrong as well; the client wants to hear of both.
    if (channel &&
        directory_->get_channel(user, ChannelId{*channel}).error() == Errc::unknown_channel) {
      errors.emplace_back("voice_channel", kUnknownChannel);
    }
    if (addressee && store_->get_user(UserId{*addressee}).error() == Errc::unknown_user) {
      errors.emplace_back("addressee", kUnknownUser);
    }
    return make_field_errors_response(errors);
  }

  const auto invitation = directory_->invite(user, ChannelId{*channel}, UserId{*addressee});
  if (invitation) {
    fault_log_.on_write();
    return make_created_response(to_json(*invitation));
  }
  if (invitation.error() == Errc::unknown_user) {
    return make_field_errors_response({{"addressee", kUnknownUser}});
  }
  if (invitation.error() == Errc::unknown_channel) {
    errors.emplace_back("voice_channel", kUnknownChannel);
    const auto known = store_->get_user(UserId{*addressee});
    if (known.error() == Errc::unknown_user) errors.emplace_back("addressee", kUnknownUser);
    return make_field_errors_response(errors);
  }
  return fail(invitation.error());
}

HttpResponse RestApi::list_ice_servers(const Identity& user) {
  if (ice_servers_ == nullptr) return make_ok_response(R"({"ice_servers":[]})");
  const IceOffer offer = ice_servers_->make_offer(user.id);
  return make_ok_response(R"({"ice_servers":)" + offer.servers + R"(,"expires_at":")" +
                          format_rfc3339(offer.expires_at) + R"(","ttl":)" +
                          std::to_string(offer.ttl.count()) + '}');
}

/// Who may not see a room's record does not learn whether there is one.
HttpResponse RestApi::show_trace(const Identity& user, const RoomName& room) {
  auto trace = traces_ == nullptr ? std::nullopt : traces_->show_to(user.id, room);
  return trace ? make_ok_response(*std::move(trace)) : make_detail_response(404, "Not found.");
}

}  // namespace voicechan::server

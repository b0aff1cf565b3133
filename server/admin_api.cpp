#include "admin_api.hpp"

#include <boost/json.hpp>
#include <charconv>
#include <chrono>
#include <future>
#include <unordered_map>
#include <utility>

#include "authenticator.hpp"
#include "credential_error.hpp"
#include "health_report.hpp"
#include "json_views.hpp"
#include "metrics.hpp"
#include "paging.hpp"
#include "rest_api.hpp"
#include "worker.hpp"

namespace voicechan::server {
namespace {

namespace json = boost::json;

// A worker comes to a question within milliseconds.
constexpr std::chrono::seconds kPatience{2};
constexpr std::chrono::milliseconds kLookAtPhase{50};
constexpr std::string_view kVoice = "voice:";
constexpr std::string_view kSignaling = "signaling:";
constexpr std::string_view kNoWorker = "A worker does not answer.";
constexpr std::string_view kBadAfter = "What \"next\" of the page before says is required.";

HttpResponse make_ok_response(const json::value& body) {
  HttpResponse response;
  response.body = json::serialize(body);
  return response;
}

json::string_view view(std::string_view text) noexcept { return {text.data(), text.size()}; }

template <class Number>
bool parse(std::string_view text, Number& number) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return !text.empty() && error == std::errc() && stop == end;
}

/// Nothing if it is none that there can be.
std::optional<std::size_t> read_limit(const Route& route) {
  const auto text = route.parameter("limit");
  if (!text) return kDefaultPageSize;
  return parse_limit(*text);
}

HttpResponse make_bad_limit_response() {
  return make_field_errors_response({{"limit", kNotALimit}});
}

/// Where a session is: "<worker>-<its number there>".
struct SessionId {
  std::size_t worker = 0;
  std::uint64_t serial = 0;

  static std::optional<SessionId> find(std::string_view text) {
    const std::size_t dash = text.find('-');
    SessionId id;
    if (dash == std::string_view::npos || !parse(text.substr(0, dash), id.worker) ||
        !parse(text.substr(dash + 1), id.serial)) {
      return std::nullopt;
    }
    return id;
  }
  std::string str() const { return std::to_string(worker) + '-' + std::to_string(serial); }
};

json::object show(std::size_t worker, const SessionView& session) {
  json::object shown{{"id", SessionId{worker, session.serial}.str()},
                     {"user_id", session.user.value},
                     {"kind", view(session.kind)},
                     {"room", nullptr},
                     {"address", session.address.str()},
                     {"age_seconds", session.age.count()},
                     {"waiting_bytes", session.waiting_bytes}};
  if (!session.room.empty()) shown["room"] = session.room;
  return shown;
}

/// Names of users, each asked for once.
class Usernames {
 public:
  explicit Usernames(Store& store) noexcept : store_(&store) {}

  json::value find(UserId user) {
    const auto [place, is_new] = known_.try_emplace(user.value, nullptr);
    if (is_new) {
      if (const auto identity = store_->get_user(user)) place->second = identity->username;
    }
    return place->second;
  }

 private:
  Store* const store_;
  std::unordered_map<std::int64_t, json::value> known_;  // null: no user any more
};

std::vector<const WorkerCounters*> counters_of(
    const std::vector<std::unique_ptr<Worker>>& workers) {
  std::vector<const WorkerCounters*> counters;
  counters.reserve(workers.size());
  for (const auto& worker : workers) counters.push_back(&std::as_const(*worker).counters());
  return counters;
}

}  // namespace

HttpResponse AdminApi::handle(const HttpRequest& request, const Route& route,
                              const ClientAddress& address) {
  if (route.endpoint == Endpoint::metrics) return show_metrics();
  if (route.endpoint == Endpoint::health) return show_health();
  if (auto refusal = refuse(request, address)) return *std::move(refusal);
  if (route.endpoint == Endpoint::admin_rooms) return list_rooms(route);
  if (route.endpoint == Endpoint::admin_sessions) return list_sessions(route);
  return kick(route.session);
}

HttpResponse AdminApi::show_metrics() const {
  HttpResponse response;
  response.fields = {{"Content-Type", kMetricsContentType}};
  response.body = render_metrics({counters_of(sources_.workers), sources_.store, sources_.key_guard,
                                  sources_.backplane, sources_.max_held_bytes, sources_.cluster,
                                  sources_.channel_layer});
  return response;
}

HttpResponse AdminApi::show_health() const {
  const ServicePhase phase = sources_.phase;
  HttpResponse response;
  if (!is_ready(phase)) response = make_unavailable_response("");  // as /readyz
  response.body =
      compose_health(phase, counters_of(sources_.workers), sources_.store, sources_.cluster,
                     sources_.channel_layer, std::chrono::steady_clock::now());
  return response;
}

std::optional<HttpResponse> AdminApi::refuse(const HttpRequest& request,
                                             const ClientAddress& address) {
  if (sources_.operator_key == nullptr) {
    return make_detail_response(
        403, "The server was started without --operator-key-file: nobody may do this.");
  }
  const auto key = find_authorization_key(request);
  const auto checked = sources_.key_guard.check(address, key, [&]() -> Result<bool> {
    if (!key) return make_error_code(CredentialErrc::missing);
    if (!sources_.operator_key->matches(*key)) return make_error_code(CredentialErrc::unknown_key);
    return true;
  });
  if (checked) return std::nullopt;
  return make_failure_response(checked.error());
}

HttpResponse AdminApi::list_rooms(const Route& route) const {
  const auto limit = read_limit(route);
  if (!limit) return make_bad_limit_response();
  const std::string after = route.parameter("after").value_or(std::string(kVoice));
  const std::string_view kind = after.substr(0, kVoice.size()) == kVoice ? kVoice : kSignaling;
  if (after.substr(0, kind.size()) != kind) {
    return make_field_errors_response({{"after", kBadAfter}});
  }
  json::array rooms;
  json::value next;
  const auto add = [&](std::string_view prefix, const RoomPage& page) {
    for (const RoomSize& room : page.rooms) {
      rooms.push_back(json::object{{"kind", view(prefix.substr(0, prefix.size() - 1))},
                                   {"name", room.name},
                                   {"members", room.members}});
    }
    if (page.has_more) next = std::string(prefix) + page.rooms.back().name;
  };
  const std::string behind = after.substr(kind.size());
  if (kind == kVoice) {
    add(kVoice, sources_.backplane.voice_presence().list_rooms(behind, *limit));
    if (next.is_null() && rooms.size() == *limit) next = kSignaling;
  }
  if (next.is_null()) {
    add(kSignaling, sources_.backplane.presence().list_rooms(kind == kVoice ? "" : behind,
                                                             *limit - rooms.size()));
  }
  return make_ok_response(json::object{{"rooms", std::move(rooms)}, {"next", std::move(next)}});
}

HttpResponse AdminApi::list_sessions(const Route& route) {
  const auto limit = read_limit(route);
  if (!limit) return make_bad_limit_response();
  SessionId after;
  if (const auto text = route.parameter("after")) {
    const auto id = SessionId::find(*text);
    if (!id) return make_field_errors_response({{"after", kBadAfter}});
    after = *id;
  }
  SessionFilter filter;
  filter.room = route.parameter("room");
  if (const auto name = route.parameter("user")) {
    const auto username = Username::parse(*name);
    const auto user = username ? sources_.store.get_user_by_name(*username) : username.error();
    if (user.error() == Errc::unknown_user || !username) {
      return make_field_errors_response({{"user", "No user has this name."}});
    }
    if (!user) return make_failure_response(user.error());
    filter.user = user->id;
  }
  json::array sessions;
  json::value next;
  Usernames usernames(sources_.store);
  for (; after.worker < sources_.workers.size() && next.is_null(); ++after.worker) {
    const std::size_t wanted = *limit - sessions.size() + 1;  // one more tells whether there is one
    auto page = ask(*sources_.workers[after.worker], [=](Worker& worker) {
      return worker.list_sessions(after.serial, wanted, filter);
    });
    if (!page) return make_unavailable_response(kNoWorker);
    for (const SessionView& session : *page) {
      if (sessions.size() == *limit) {
        next = sessions.back().as_object()["id"];
        break;
      }
      json::object shown = show(after.worker, session);
      shown["username"] = usernames.find(session.user);
      sessions.push_back(std::move(shown));
    }
    after.serial = 0;
  }
  return make_ok_response(
      json::object{{"sessions", std::move(sessions)}, {"next", std::move(next)}});
}

HttpResponse AdminApi::kick(const std::string& id) {
  const auto found = SessionId::find(id);
  std::optional<SessionView> session;
  if (found && found->worker < sources_.workers.size()) {
    auto answer = ask(*sources_.workers[found->worker], [serial = found->serial](Worker& worker) {
      return worker.kick_session(serial);
    });
    if (!answer) return make_unavailable_response(kNoWorker);
    session = *std::move(answer);
  }
  if (!session) return make_detail_response(404, "No session has this id.");
  json::object shown = show(found->worker, *session);
  shown["username"] = Usernames(sources_.store).find(session->user);
  return make_ok_response(shown);
}

template <class Action>
auto AdminApi::ask(Worker& worker, Action action) const -> std::optional<decltype(action(worker))> {
  const auto promise = std::make_shared<std::promise<decltype(action(worker))>>();
  auto answer = promise->get_future();
  worker.post(
      [promise, &worker, action = std::move(action)] { promise->set_value(action(worker)); });
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (answer.wait_for(kLookAtPhase) != std::future_status::ready) {
    const bool is_ended = sources_.phase == ServicePhase::ended;  // it may be gone by now
    if (is_ended || std::chrono::steady_clock::now() > deadline) return std::nullopt;
  }
  return answer.get();
}

}  // namespace voicechan::server

#include "rest_api.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <vector>

#include "credential_error.hpp"
#include "keys.hpp"
#include "voicechan/hub.hpp"

namespace voicechan::server {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr const char* kChannels = "/api/voice_channels/voice_channels/";
constexpr const char* kInvite = "/api/voice_channels/invite/";
constexpr const char* kIceServers = "/api/voice_channels/ice_servers/";

class FixedClock final : public Clock {
 public:
  WallTime now() const noexcept override { return WallTime(std::chrono::seconds(1'795'341'600)); }
};

class RecordingTransport final : public Transport {
 public:
  void send(const Frame& frame) noexcept override { frames.emplace_back(frame.bytes()); }
  std::vector<std::string> frames;
};

json::value parsed(const HttpResponse& response) { return json::parse(response.body); }

class RestApiTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kMaxDepth = 8;
  static constexpr int kRequestBurst = 3000;

  static UserLimits user_limits() {
    UserLimits limits;
    limits.requests_per_second = 1e-3;
    limits.request_burst = kRequestBurst;
    return limits;
  }

  RestApiTest() {
    alice_ = add_user("alice", "alice-key");
    bob_ = add_user("bob", "bob-key");
  }

  Identity add_user(std::string_view name, std::string_view key) {
    return *store_->create_user(*Username::parse(name), digest_key(key));
  }

  HttpRequest request(std::string method, std::string target, std::string body = {}) {
    HttpRequest made;
    made.has_body_length = method == "POST";
    made.method = std::move(method);
    made.target = std::move(target);
    made.body = std::move(body);
    made.fields = {{"authorization", "Token alice-key"}};
    return made;
  }

  /// As the server does: what can be told from the head first.
  HttpResponse answer(const HttpRequest& asked) {
    const Route found = std::get<Route>(route(asked.target));
    if (auto early = answer_early(asked, found)) return *early;
    return *api_.handle(asked, found, ClientAddress(), NewUsers::create);
  }
  HttpResponse get(std::string target) { return answer(request("GET", std::move(target))); }
  HttpResponse post(const char* target, std::string body) {
    return answer(request("POST", target, std::move(body)));
  }

  std::string invitation_body() {
    return R"({"voice_channel":1,"addressee":)" + std::to_string(bob_.id.value) + "}";
  }

  std::unique_ptr<Store> store_ = make_memory_store();
  FixedClock clock_;
  InProcessBackplane backplane_{1};
  Directory directory_{*store_, backplane_, clock_};
  Authenticator authenticator_{*store_};
  KeyGuard key_guard_{KeyGuardLimits{}};
  UserCounts user_counts_{user_limits()};
  RestApi api_{directory_, *store_,      authenticator_,
               key_guard_, user_counts_, backplane_.voice_presence(),
               kMaxDepth};
  Identity alice_;
  Identity bob_;
};

TEST_F(RestApiTest, AUserWhoAsksTooOftenIsToldToWaitAndOthersAreNot) {
  for (int i = 0; i < kRequestBurst; ++i) EXPECT_EQ(get(kChannels).status, 200u);
  const HttpResponse refused = get(kChannels);
  EXPECT_EQ(refused.status, 429u);
  EXPECT_THAT(refused.fields, ElementsAre(Pair("Retry-After", "1")));
  HttpRequest of_bob = request("GET", kChannels);
  of_bob.fields = {{"authorization", "Token bob-key"}};
  EXPECT_EQ(answer(of_bob).status, 200u);
}

TEST_F(RestApiTest, ABodyNestedTooDeeplyIsRefused) {
  const auto body = [](std::size_t depth) {
    return R"({"name":"x","y":)" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  EXPECT_EQ(post(kChannels, body(kMaxDepth)).status, 201u);
  EXPECT_EQ(post(kChannels, body(kMaxDepth + 1)).status, 400u);
}

// Who asks

TEST_F(RestApiTest, WithoutAKeyEveryEndpointAnswers401) {
  for (const auto& [method, target] :
       {std::pair("GET", kChannels), std::pair("POST", kChannels), std::pair("POST", kInvite),
        std::pair("GET", "/api/voice_channels/voice_channels/1/")}) {
    HttpRequest asked = request(method, target, "{}");
    asked.fields.clear();
    const HttpResponse response = answer(asked);
    EXPECT_EQ(response.status, 401u) << method << ' ' << target;
    EXPECT_THAT(response.fields, ElementsAre(Pair("WWW-Authenticate", ::testing::_)));
    EXPECT_TRUE(parsed(response).at("detail").is_string());
  }
}

TEST_F(RestApiTest, AWrongKeyAnswers401) {
  HttpRequest asked = request("GET", kChannels);
  asked.fields = {{"authorization", "Token wrong"}};
  EXPECT_EQ(answer(asked).status, 401u);
}

TEST_F(RestApiTest, AChallengeTellsWhatWasWrongOnlyWhenSomethingCame) {
  const auto challenge = [](std::error_code refusal) {
    return make_unauthorized_response(refusal).fields.at(0).second;
  };
  EXPECT_EQ(challenge(CredentialErrc::missing),
            R"(Bearer realm="voicechan", Token realm="voicechan")");
  EXPECT_EQ(challenge(CredentialErrc::expired_token),
            R"(Bearer realm="voicechan", error="invalid_token", )"
            R"(error_description="The token has expired.", Token realm="voicechan")");
  EXPECT_EQ(make_failure_response(CredentialErrc::wrong_audience).status, 401u);
}

TEST_F(RestApiTest, EveryReasonFitsIntoAQuotedString) {
  for (int value = 0; value <= static_cast<int>(CredentialErrc::revoked); ++value) {
    const std::string reason = make_error_code(static_cast<CredentialErrc>(value)).message();
    EXPECT_FALSE(reason.empty());
    EXPECT_EQ(reason.find_first_of("\"\\\r\n"), std::string::npos) << reason;
  }
}

// Creating channels

TEST_F(RestApiTest, ACreatedChannelBelongsToItsCreator) {
  const HttpResponse response = post(kChannels, R"({"name":"General"})");
  EXPECT_EQ(response.status, 201u);
  EXPECT_EQ(response.body, R"({"id":1,"name":"General","creator":)" +
                               std::to_string(alice_.id.value) +
                               R"(,"created_at":"2026-11-22T10:00:00.000000Z"})");
}

TEST_F(RestApiTest, NamesAreTrimmed) {
  EXPECT_EQ(parsed(post(kChannels, R"({"name":"  Кімната\t"})")).at("name"), "Кімната");
}

TEST_F(RestApiTest, TwoChannelsMayShareAName) {
  EXPECT_EQ(post(kChannels, R"({"name":"x"})").status, 201u);
  EXPECT_EQ(post(kChannels, R"({"name":"x"})").status, 201u);
}

TEST_F(RestApiTest, ReadOnlyAndUnknownFieldsAreIgnored) {
  const auto channel = parsed(
      post(kChannels, R"({"name":"x","id":99,"creator":42,"created_at":"then","color":["red"]})"));
  EXPECT_EQ(channel.at("id"), 1);
  EXPECT_EQ(channel.at("creator"), alice_.id.value);
  EXPECT_FALSE(channel.as_object().contains("color"));
}

TEST_F(RestApiTest, ABadNameIsAFieldError) {
  for (const char* body : {"{}", R"({"name":null})", R"({"name":5})", R"({"name":["x"]})",
                           R"({"name":""})", R"({"name":" \t "})", R"({"name":"a\u0000b"})"}) {
    const HttpResponse response = post(kChannels, body);
    EXPECT_EQ(response.status, 400u) << body;
    const json::object object = parsed(response).as_object();
    EXPECT_EQ(object.size(), 1u) << body;
    EXPECT_TRUE(object.at("name").as_array().at(0).is_string()) << body;
  }
}

TEST_F(RestApiTest, ANameHasAtMost255Characters) {
  const auto named = [&](int length) {
    std::string name;
    for (int i = 0; i < length; ++i) name += "ї";
    return post(kChannels, R"({"name":")" + name + R"("})").status;
  };
  EXPECT_EQ(named(255), 201u);
  EXPECT_EQ(named(256), 400u);
}

TEST_F(RestApiTest, ABodyThatIsNoJsonObjectIsADetail) {
  for (const char* target : {kChannels, kInvite}) {
    for (const char* body : {"", "{", "[]", "\"x\"", "null", "{} {}", "{\"name\":\"\xff\"}"}) {
      const HttpResponse response = post(target, body);
      EXPECT_EQ(response.status, 400u) << body;
      EXPECT_TRUE(parsed(response).at("detail").is_string()) << body;
    }
  }
}

TEST_F(RestApiTest, ABodyNestedTooDeeplyIsADetail) {
  const std::string body =
      R"({"name":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  EXPECT_EQ(post(kChannels, body).status, 400u);
}

// Reading channels

TEST_F(RestApiTest, ListsNoChannelsAsAnEmptyArray) {
  const HttpResponse response = get(kChannels);
  EXPECT_EQ(response.status, 200u);
  EXPECT_EQ(response.body, "[]");
}

TEST_F(RestApiTest, ListsAllChannelsInOneGo) {
  for (int i = 0; i < 150; ++i) post(kChannels, R"({"name":"x"})");
  const HttpResponse response = get(kChannels);
  EXPECT_EQ(parsed(response).as_array().size(), 150u);
  EXPECT_THAT(response.fields, IsEmpty());
}

TEST_F(RestApiTest, AListedChannelIsTheCreatedOne) {
  const auto created = parsed(post(kChannels, R"({"name":"x"})"));
  EXPECT_EQ(parsed(get(kChannels)).at(0), created);
}

TEST_F(RestApiTest, MembersAreThoseInTheRoomNamedByTheChannelsId) {
  post(kChannels, R"({"name":"x"})");
  const std::string path = std::string(kChannels) + "1/members/";
  EXPECT_EQ(get(path).body, R"({"revision":0,"members":[]})");
  const auto hub = Hub::attach(backplane_);
  RecordingTransport transport;
  const auto one = (*hub)->join_voice(alice_, *RoomName::parse("1"), transport);
  const auto two =
      (*hub)->join_voice(bob_, *RoomName::parse("1"), transport, VoiceProtocol::with_members);
  const auto elsewhere = (*hub)->join_voice(bob_, *RoomName::parse("x"), transport);
  const HttpResponse response = get(path);
  EXPECT_EQ(response.status, 200u);
  EXPECT_EQ(response.body,
            R"({"revision":2,"members":[{"member":1,"user_id":1,"username":"alice"},)"
            R"({"member":2,"user_id":2,"username":"bob"}]})");
  EXPECT_THAT(response.fields, IsEmpty());
}

TEST_F(RestApiTest, APageOfMembersLinksToTheNext) {
  post(kChannels, R"({"name":"x"})");
  const std::string path = std::string(kChannels) + "1/members/";
  const auto hub = Hub::attach(backplane_);
  RecordingTransport transport;
  std::vector<Session> sessions;
  for (int i = 0; i < 3; ++i) {
    sessions.push_back((*hub)->join_voice(bob_, *RoomName::parse("1"), transport).value());
  }
  const HttpResponse first = get(path + "?limit=2");
  EXPECT_EQ(parsed(first).at("members").as_array().size(), 2u);
  EXPECT_THAT(first.fields,
              ElementsAre(Pair("Link", '<' + path + "?limit=2&after=2>; rel=\"next\"")));
  const HttpResponse last = get(path + "?limit=2&after=2");
  EXPECT_EQ(last.body, R"({"revision":3,"members":[{"member":3,"user_id":2,"username":"bob"}]})");
  EXPECT_THAT(last.fields, IsEmpty());
  EXPECT_EQ(get(path + "?limit=0").status, 400u);
  EXPECT_EQ(get(path + "?after=x").status, 400u);
}

TEST_F(RestApiTest, MembersOfAnUnknownChannelAre404AndWithoutAKey401) {
  EXPECT_EQ(get(std::string(kChannels) + "7/members/").status, 404u);
  HttpRequest asked = request("GET", std::string(kChannels) + "7/members/");
  asked.fields.clear();
  EXPECT_EQ(answer(asked).status, 401u);
}

TEST_F(RestApiTest, APageLinksToTheNext) {
  for (int i = 0; i < 3; ++i) post(kChannels, R"({"name":"x"})");
  const HttpResponse response = get(std::string(kChannels) + "?limit=2");
  EXPECT_EQ(parsed(response).as_array().size(), 2u);
  EXPECT_THAT(response.fields,
              ElementsAre(Pair(
                  "Link", "</api/voice_channels/voice_channels/?limit=2&after=2>; rel=\"next\"")));
}

TEST_F(RestApiTest, TheLastPageLinksToNothing) {
  for (int i = 0; i < 3; ++i) post(kChannels, R"({"name":"x"})");
  const HttpResponse response = get(std::string(kChannels) + "?limit=2&after=1");
  EXPECT_EQ(parsed(response).as_array().size(), 2u);
  EXPECT_THAT(response.fields, IsEmpty());
}

TEST_F(RestApiTest, BehindTheLastChannelThereAreNone) {
  post(kChannels, R"({"name":"x"})");
  EXPECT_EQ(get(std::string(kChannels) + "?after=1").body, "[]");
  EXPECT_EQ(get(std::string(kChannels) + "?after=99999999999999999999").body, "[]");
}

TEST_F(RestApiTest, ABadPageIsAFieldError) {
  for (const char* query : {"limit=0", "limit=1001", "limit=x", "limit=", "limit=-1", "after=x",
                            "after=", "after=-1", "limit=99999999999999999999"}) {
    const HttpResponse response = get(std::string(kChannels) + '?' + query);
    EXPECT_EQ(response.status, 400u) << query;
    const std::string name = std::string(query).substr(0, 5);
    EXPECT_TRUE(parsed(response).at(name).as_array().at(0).is_string()) << query;
  }
}

TEST_F(RestApiTest, AChannelIsFoundById) {
  const auto created = parsed(post(kChannels, R"({"name":"x"})"));
  const HttpResponse response = get(std::string(kChannels) + "1/");
  EXPECT_EQ(response.status, 200u);
  EXPECT_EQ(parsed(response), created);
}

TEST_F(RestApiTest, AnUnknownChannelAnswers404) {
  const HttpResponse response = get(std::string(kChannels) + "1/");
  EXPECT_EQ(response.status, 404u);
  EXPECT_TRUE(parsed(response).at("detail").is_string());
}

// Inviting

class InviteTest : public RestApiTest {
 protected:
  InviteTest() { post(kChannels, R"({"name":"General"})"); }

  HttpResponse invite(const std::string& body) { return post(kInvite, body); }

  /// The fields that a refusal names; empty for anything else.
  std::vector<std::string> refused_fields(const std::string& body) {
    const HttpResponse response = invite(body);
    std::vector<std::string> fields;
    if (response.status != 400) return fields;
    const json::value refusal = parsed(response);
    for (const auto& member : refusal.as_object()) {
      EXPECT_TRUE(member.value().as_array().at(0).is_string());
      fields.emplace_back(member.key());
    }
    return fields;
  }

  const std::string bob_id_ = std::to_string(bob_.id.value);
};

TEST_F(InviteTest, CreatesAnInvitation) {
  const HttpResponse response = invite(invitation_body());
  EXPECT_EQ(response.status, 201u);
  EXPECT_EQ(response.body, R"({"id":1,"voice_channel":1,"addressee":)" + bob_id_ +
                               R"(,"inviter":)" + std::to_string(alice_.id.value) +
                               R"(,"status":"pending",)"
                               R"("created_at":"2026-11-22T10:00:00.000000Z"})");
}

TEST_F(InviteTest, IdsMayBeStringsOfDigits) {
  const HttpResponse response = invite(R"({"voice_channel":"1","addressee":")" + bob_id_ + R"("})");
  EXPECT_EQ(response.status, 201u);
  EXPECT_EQ(parsed(response).at("addressee"), bob_.id.value);
}

TEST_F(InviteTest, TheAddresseeMayBeCalledRecipient) {
  const HttpResponse response = invite(R"({"voice_channel":1,"recipient":)" + bob_id_ + "}");
  EXPECT_EQ(response.status, 201u);
  EXPECT_EQ(parsed(response).at("addressee"), bob_.id.value);
  EXPECT_FALSE(parsed(response).as_object().contains("recipient"));
}

TEST_F(InviteTest, BothNamesOfTheAddresseeMayComeIfTheyAgree) {
  EXPECT_EQ(invite(R"({"voice_channel":1,"addressee":)" + bob_id_ + R"(,"recipient":")" + bob_id_ +
                   R"("})")
                .status,
            201u);
}

TEST_F(InviteTest, BothNamesOfTheAddresseeMayNotDiffer) {
  EXPECT_THAT(refused_fields(R"({"voice_channel":1,"addressee":1,"recipient":2})"),
              ElementsAre("addressee"));
}

TEST_F(InviteTest, ReadOnlyFieldsAreIgnored) {
  const auto invitation = parsed(invite(R"({"voice_channel":1,"addressee":)" + bob_id_ +
                                        R"(,"id":9,"inviter":9,"status":"accepted"})"));
  EXPECT_EQ(invitation.at("id"), 1);
  EXPECT_EQ(invitation.at("inviter"), alice_.id.value);
  EXPECT_EQ(invitation.at("status"), "pending");
}

TEST_F(InviteTest, AllMissingFieldsAreNamed) {
  EXPECT_THAT(refused_fields("{}"), ElementsAre("voice_channel", "addressee"));
}

TEST_F(InviteTest, ValuesThatAreNoIdsAreFieldErrors) {
  for (const char* value : {"null", "true", "1.5", "[1]", "{}", R"("")", R"("x")", R"("1x")",
                            R"("-1")", R"("+1")", R"("1.0")"}) {
    EXPECT_THAT(refused_fields(std::string(R"({"voice_channel":1,"addressee":)") + value + "}"),
                ElementsAre("addressee"))
        << value;
    EXPECT_THAT(refused_fields(std::string(R"({"addressee":1,"voice_channel":)") + value + "}"),
                ElementsAre("voice_channel"))
        << value;
  }
}

TEST_F(InviteTest, AnUnknownChannelIsAFieldError) {
  for (const char* id : {"2", "0", "-1", "99999999999999999999", R"("99999999999999999999")"}) {
    EXPECT_THAT(refused_fields(std::string(R"({"voice_channel":)") + id + R"(,"addressee":)" +
                               bob_id_ + "}"),
                ElementsAre("voice_channel"))
        << id;
  }
}

TEST_F(InviteTest, AnUnknownAddresseeIsAFieldError) {
  EXPECT_THAT(refused_fields(R"({"voice_channel":1,"addressee":99})"), ElementsAre("addressee"));
}

TEST_F(InviteTest, AllUnknownIdsAreNamed) {
  EXPECT_THAT(refused_fields(R"({"voice_channel":99,"addressee":99})"),
              ElementsAre("voice_channel", "addressee"));
}

TEST_F(InviteTest, NotifiesTheAddressee) {
  const auto hub = *Hub::attach(backplane_);
  RecordingTransport bob;
  const Session session = hub->open_notifications(bob_, bob);
  invite(invitation_body());
  hub->tick(MonotonicTime{});
  ASSERT_EQ(bob.frames.size(), 1u);
  EXPECT_EQ(json::parse(bob.frames[0]),
            (json::value{{"type", "invitation"},
                         {"id", 1},
                         {"voice_channel", 1},
                         {"voice_channel_name", "General"},
                         {"addressee", bob_.id.value},
                         {"inviter", alice_.id.value},
                         {"inviter_username", "alice"},
                         {"status", "pending"},
                         {"created_at", "2026-11-22T10:00:00.000000Z"}}));
}

TEST_F(InviteTest, ARefusedInvitationNotifiesNobody) {
  const auto hub = *Hub::attach(backplane_);
  RecordingTransport bob;
  const Session session = hub->open_notifications(bob_, bob);
  invite(R"({"voice_channel":99,"addressee":)" + bob_id_ + "}");
  hub->tick(MonotonicTime{});
  EXPECT_THAT(bob.frames, IsEmpty());
}

// ICE servers; with a file they are in ice_servers_test and in the black-box tests

TEST_F(RestApiTest, WithoutAFileThereAreNoIceServers) {
  const HttpResponse response = get(kIceServers);
  EXPECT_EQ(response.status, 200u);
  EXPECT_EQ(response.body, R"({"ice_servers":[]})");
}

TEST_F(RestApiTest, IceServersAreForUsers) {
  HttpRequest asked = request("GET", kIceServers);
  asked.fields.clear();
  EXPECT_EQ(answer(asked).status, 401u);
}

// What the head alone decides

TEST_F(RestApiTest, AWrongMethodAnswers405WithAllow) {
  for (const auto& [method, target, allow] :
       {std::tuple("DELETE", kChannels, "GET, HEAD, OPTIONS, POST"),
        std::tuple("POST", "/api/voice_channels/voice_channels/1/", "GET, HEAD, OPTIONS"),
        std::tuple("GET", kInvite, "OPTIONS, POST"),
        std::tuple("POST", kIceServers, "GET, HEAD, OPTIONS"),
        std::tuple("POST", "/ws/signaling/", "GET, HEAD, OPTIONS")}) {
    const HttpResponse response = answer(request(method, target));
    EXPECT_EQ(response.status, 405u) << method << ' ' << target;
    EXPECT_THAT(response.fields, ElementsAre(Pair("Allow", allow)));
    EXPECT_TRUE(parsed(response).at("detail").is_string());
  }
}

TEST_F(RestApiTest, OptionsNeedsNoKey) {
  HttpRequest asked = request("OPTIONS", kInvite);
  asked.fields.clear();
  const HttpResponse response = answer(asked);
  EXPECT_EQ(response.status, 200u);
  EXPECT_THAT(response.fields, ElementsAre(Pair("Allow", "OPTIONS, POST")));
  EXPECT_TRUE(parsed(response).is_object());
}

TEST_F(RestApiTest, HeadAnswersAsGet) {
  post(kChannels, R"({"name":"x"})");
  const HttpResponse response = answer(request("HEAD", kChannels));
  EXPECT_EQ(response.status, 200u);
  EXPECT_EQ(response.body, get(kChannels).body);
}

TEST_F(RestApiTest, APostWithoutALengthAnswers411) {
  HttpRequest asked = request("POST", kChannels);
  asked.has_body_length = false;
  EXPECT_EQ(answer(asked).status, 411u);
}

class MediaTypeTest : public RestApiTest {
 protected:
  unsigned status_with(const char* name, const char* value) {
    HttpRequest asked = request("POST", kChannels, R"({"name":"x"})");
    asked.fields.emplace_back(name, value);
    return answer(asked).status;
  }
};

TEST_F(MediaTypeTest, JsonInUtf8IsTaken) {
  for (const char* type : {"application/json", "APPLICATION/JSON", "application/json;",
                           "application/json; charset=utf-8", "application/json;charset=\"UTF-8\"",
                           "application/json; x=y", "application/json;x=y ; charset=utf-8;"})
    EXPECT_EQ(status_with("content-type", type), 201u) << type;
}

TEST_F(MediaTypeTest, OtherTypesAnswer415) {
  for (const char* type : {"", "text/plain", "application/x-www-form-urlencoded",
                           "application/jsonx", "application/json; charset=latin-1",
                           "application/json; x=y; charset=utf-16", "application/json; charset="})
    EXPECT_EQ(status_with("content-type", type), 415u) << type;
}

TEST_F(MediaTypeTest, EncodedBodiesAnswer415) {
  EXPECT_EQ(status_with("content-encoding", "identity"), 201u);
  EXPECT_EQ(status_with("content-encoding", "gzip"), 415u);
}

// What fails inside

TEST_F(RestApiTest, AStoreThatCannotServeNowAnswers503) {
  const HttpResponse response = make_failure_response(make_error_code(Errc::store_unavailable));
  EXPECT_EQ(response.status, 503u);
  EXPECT_THAT(response.fields, ElementsAre(Pair("Retry-After", "1")));
  EXPECT_TRUE(parsed(response).at("detail").is_string());
}

TEST_F(RestApiTest, AnErrorOfAnotherKindAnswers500) {
  EXPECT_EQ(make_failure_response(std::make_error_code(std::errc::io_error)).status, 500u);
}

}  // namespace
}  // namespace voicechan::server

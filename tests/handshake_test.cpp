#include "handshake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace voicechan::server {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

HttpRequest good_request() {
  HttpRequest request;
  request.method = "GET";
  request.target = "/ws/signaling/";
  request.fields = {{"host", "example.org"},
                    {"upgrade", "websocket"},
                    {"connection", "Upgrade"},
                    {"sec-websocket-version", "13"},
                    {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  return request;
}

/// The good request with one field of another value, or without it.
HttpRequest request_with(std::string_view name, const char* value) {
  HttpRequest request = good_request();
  auto& fields = request.fields;
  fields.erase(std::remove_if(fields.begin(), fields.end(),
                              [&](const auto& field) { return field.first == name; }),
               fields.end());
  if (value != nullptr) fields.emplace_back(name, value);
  return request;
}

/// The status of the refusal; 101 if there is none.
unsigned status_of(const HttpRequest& request) {
  const auto checked = check_handshake(request);
  const auto* refusal = std::get_if<HttpResponse>(&checked);
  return refusal ? refusal->status : 101;
}

TEST(HandshakeTest, AcceptsAGoodRequest) {
  const auto checked = check_handshake(good_request());
  const auto* handshake = std::get_if<Handshake>(&checked);
  ASSERT_NE(handshake, nullptr);
  EXPECT_EQ(handshake->key, "dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_THAT(handshake->subprotocols, ElementsAre());
}

TEST(HandshakeTest, TokensAreFoundInListsWhateverTheirCase) {
  EXPECT_EQ(status_of(request_with("connection", "keep-alive, UPGRADE")), 101u);
  EXPECT_EQ(status_of(request_with("upgrade", "h2c, WebSocket")), 101u);
}

TEST(HandshakeTest, RequestsThatAreNoUpgradeGet426) {
  EXPECT_EQ(status_of(request_with("upgrade", nullptr)), 426u);
  EXPECT_EQ(status_of(request_with("upgrade", "h2c")), 426u);
  EXPECT_EQ(status_of(request_with("upgrade", "websocketx")), 426u);
  EXPECT_EQ(status_of(request_with("connection", nullptr)), 426u);
  EXPECT_EQ(status_of(request_with("connection", "keep-alive")), 426u);
  EXPECT_EQ(status_of(request_with("connection", "notupgrade")), 426u);
}

TEST(HandshakeTest, OnlyGetCanUpgrade) {
  HttpRequest request = good_request();
  request.method = "HEAD";
  EXPECT_EQ(status_of(request), 426u);
}

TEST(HandshakeTest, Http10CannotUpgrade) {
  HttpRequest request = good_request();
  request.is_http_1_0 = true;
  EXPECT_EQ(status_of(request), 426u);
}

TEST(HandshakeTest, OtherVersionsGet426) {
  for (const char* version : {"", "8", "14", "13junk", "13, 8", "+13", "013"}) {
    EXPECT_EQ(status_of(request_with("sec-websocket-version", version)), 426u) << version;
  }
  EXPECT_EQ(status_of(request_with("sec-websocket-version", nullptr)), 426u);
}

TEST(HandshakeTest, TheRefusalTellsWhatIsSpoken) {
  const auto checked = check_handshake(request_with("upgrade", nullptr));
  const auto& fields = std::get<HttpResponse>(checked).fields;
  EXPECT_THAT(fields, Contains(Pair("Upgrade", "websocket")));
  EXPECT_THAT(fields, Contains(Pair("Sec-WebSocket-Version", "13")));
}

TEST(HandshakeTest, TheRefusalLeavesTheConnectionFieldToTheSerializer) {
  const auto checked = check_handshake(request_with("upgrade", nullptr));
  EXPECT_THAT(std::get<HttpResponse>(checked).fields, Not(Contains(Key("Connection"))));
}

TEST(HandshakeTest, KeysThatAreNot16BytesInBase64Get400) {
  for (const char* key : {"", "abc", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ===",
                          "dGhlIHNhbXBsZSBub25jZ!==", "dGhlIHNhbXBsZSBub25jZSE="}) {
    EXPECT_EQ(status_of(request_with("sec-websocket-key", key)), 400u) << key;
  }
  EXPECT_EQ(status_of(request_with("sec-websocket-key", nullptr)), 400u);
}

TEST(HandshakeTest, TwoKeysGet400) {
  HttpRequest request = good_request();
  request.fields.emplace_back("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_EQ(status_of(request), 400u);
}

TEST(HandshakeTest, SubprotocolsOfSeveralLinesKeepTheirOrder) {
  HttpRequest request = request_with("sec-websocket-protocol", "voicechan.auth.k, a");
  request.fields.emplace_back("sec-websocket-protocol", "voicechan");
  const auto checked = check_handshake(request);
  EXPECT_THAT(std::get<Handshake>(checked).subprotocols,
              ElementsAre("voicechan.auth.k", "a", "voicechan"));
}

TEST(HandshakeTest, SubprotocolsThatAreNoTokensGet400) {
  for (const char* offered : {"a b", "a;b", "voicechan.auth.a=b", "\"a\""}) {
    EXPECT_EQ(status_of(request_with("sec-websocket-protocol", offered)), 400u) << offered;
  }
}

TEST(HandshakeTest, ChoosesOurSubprotocolIfOffered) {
  const Handshake handshake{"", {"other", "voicechan"}};
  EXPECT_EQ(handshake.choose_subprotocol(Endpoint::voice_socket), "voicechan");
  EXPECT_EQ(handshake.voice_protocol(Endpoint::voice_socket), VoiceProtocol::plain);
}

TEST(HandshakeTest, ChoosesTheProtocolWithMembersForVoiceRoomsOnly) {
  const Handshake handshake{"", {"voicechan", "voicechan.auth.secret", "voicechan.v1"}};
  EXPECT_EQ(handshake.choose_subprotocol(Endpoint::voice_socket), "voicechan.v1");
  EXPECT_EQ(handshake.voice_protocol(Endpoint::voice_socket), VoiceProtocol::with_members);
  EXPECT_EQ(handshake.choose_subprotocol(Endpoint::signaling_socket), "voicechan");
  EXPECT_EQ(handshake.voice_protocol(Endpoint::signaling_socket), VoiceProtocol::plain);
  EXPECT_EQ((Handshake{"", {"voicechan.v2"}}.choose_subprotocol(Endpoint::voice_socket)), "");
}

TEST(HandshakeTest, NeverChoosesACredentialOrAForeignSubprotocol) {
  const Handshake handshake{"", {"voicechan.auth.secret", "other"}};
  EXPECT_EQ(handshake.choose_subprotocol(Endpoint::voice_socket), "");
}

}  // namespace
}  // namespace voicechan::server

#include "handshake.hpp"

#include <gtest/gtest.h>

namespace voicechan::load {
namespace {

using Status = HandshakeAnswer::Status;

const std::string kAccepted =
    "HTTP/1.1 101 Switching Protocols\r\nServer: some\r\nupgrade: WebSocket\r\n"
    "Connection: upgrade\r\nSec-WebSocket-Accept:  s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \r\n\r\n";

TEST(HandshakeTest, RequestNamesPathHostAndKey) {
  const std::string request = handshake_request("localhost:80", "/ws/a/", "secret");
  EXPECT_EQ(request.find("GET /ws/a/ HTTP/1.1\r\nHost: localhost:80\r\n"), 0u);
  EXPECT_NE(request.find("\r\nAuthorization: Token secret\r\n\r\n"), request.npos);
}

TEST(HandshakeTest, WithoutKeyThereIsNoAuthorization) {
  EXPECT_EQ(handshake_request("h", "/", "").find("Authorization"), std::string::npos);
}

TEST(HandshakeTest, AcceptedOneEndsWhereFramesBegin) {
  const auto answer = read_handshake(kAccepted + "\x81\x01x");
  EXPECT_EQ(answer.status, Status::accepted);
  EXPECT_EQ(answer.size, kAccepted.size());
}

TEST(HandshakeTest, EveryPrefixIsIncomplete) {
  for (std::size_t size = 0; size < kAccepted.size(); ++size) {
    EXPECT_EQ(read_handshake(kAccepted.substr(0, size)).status, Status::incomplete);
  }
}

TEST(HandshakeTest, RefusalNamesTheStatus) {
  const auto answer = read_handshake("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(answer.status, Status::refused);
  EXPECT_EQ(answer.refusal, "401 Unauthorized");
}

TEST(HandshakeTest, WrongAcceptIsRefused) {
  std::string wrong = kAccepted;
  wrong[wrong.find("s3pP")] = 'S';
  EXPECT_EQ(read_handshake(wrong).status, Status::refused);
}

TEST(HandshakeTest, OtherProtocolsAreRefused) {
  EXPECT_EQ(read_handshake("SSH-2.0-OpenSSH\r\n\r\n").status, Status::refused);
  EXPECT_EQ(read_handshake(std::string(20'000, 'x')).status, Status::refused);
}

TEST(PathOfRoomTest, NameIsPercentEncoded) {
  EXPECT_EQ(path_of_room("/ws/{room}/", "load-0"), "/ws/load-0/");
  EXPECT_EQ(path_of_room("/{room}?r={room}", "a b/\xd0\x97"), "/a%20b%2F%D0%97?r=a%20b%2F%D0%97");
  EXPECT_EQ(path_of_room("/fixed", "x"), "/fixed");
}

}  // namespace
}  // namespace voicechan::load

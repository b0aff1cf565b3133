#include "connection.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "loopback_peer.hpp"

namespace voicechan::load {
namespace {

using State = Connection::State;

class ConnectionTest : public ::testing::Test, private Connection::Handler {
 protected:
  LoopbackPeer open() { return open_connection(network, server, connection); }
  bool turn_until_messages(std::size_t count) {
    return turn_until(network, [&] { return messages.size() >= count; });
  }
  bool turn_until_closed() {
    return turn_until(network, [&] { return connection.state() == State::closed; });
  }

  Network network;
  LoopbackServer server;
  Connection connection{network, *this, 7};
  std::vector<std::string> messages;
  int closed = 0;

 private:
  void on_message(Connection& from, Opcode, std::string_view payload, std::int64_t) override {
    EXPECT_EQ(from.id(), 7u);
    messages.emplace_back(payload);
  }
  void on_closed(Connection&) override { ++closed; }
};

TEST_F(ConnectionTest, IsOpenWhenTheServerHasAccepted) {
  connection.connect(server.endpoint(), nullptr, handshake_request("test", "/ws/", "key"), 0);
  EXPECT_EQ(connection.state(), State::connecting);
  const LoopbackPeer peer = server.accept();
  turn_until(network, [&] { return connection.unsent_bytes() == 0; });
  EXPECT_EQ(peer.receive_request(), handshake_request("test", "/ws/", "key"));
  EXPECT_FALSE(connection.is_open());
  peer.send(kUpgraded + server_frame(Opcode::text, "at once"));
  EXPECT_TRUE(turn_until_messages(1));
  EXPECT_TRUE(connection.is_open());
  EXPECT_EQ(messages.front(), "at once");
}

TEST_F(ConnectionTest, ARefusalIsItsEnding) {
  connection.connect(server.endpoint(), nullptr, handshake_request("test", "/ws/", ""), 0);
  const LoopbackPeer peer = server.accept();
  peer.send("HTTP/1.1 401 Unauthorized\r\n\r\n");
  EXPECT_TRUE(turn_until_closed());
  EXPECT_EQ(connection.ending().reason, "401 Unauthorized");
  EXPECT_EQ(closed, 0) << "it was never open";
}

TEST_F(ConnectionTest, WhereNobodyListensItEnds) {
  server.stop();
  connection.connect(server.endpoint(), nullptr, handshake_request("test", "/ws/", ""), 0);
  EXPECT_TRUE(turn_until_closed());
  EXPECT_NE(connection.ending().reason, "");
}

TEST_F(ConnectionTest, MessagesThatComeInPiecesAreWhole) {
  const LoopbackPeer peer = open();
  const std::string bytes = server_frame(Opcode::binary, "first") +
                            server_frame(Opcode::binary, std::string(300, 'x')) +
                            server_frame(Opcode::text, "");
  for (const char byte : bytes) {
    peer.send({&byte, 1});
    network.loop.turn(monotonic_ns());
  }
  EXPECT_TRUE(turn_until_messages(3));
  EXPECT_EQ(messages, (std::vector<std::string>{"first", std::string(300, 'x'), ""}));
}

TEST_F(ConnectionTest, APingIsAnswered) {
  const LoopbackPeer peer = open();
  peer.send(server_frame(Opcode::ping, "there?") + server_frame(Opcode::text, "x"));
  EXPECT_TRUE(turn_until_messages(1));
  EXPECT_EQ(peer.receive_frame(), std::make_pair(Opcode::pong, std::string("there?")));
}

TEST_F(ConnectionTest, ACloseFrameIsAnsweredAndEndsIt) {
  const LoopbackPeer peer = open();
  peer.send(server_frame(Opcode::close, "\x03\xf5too slow"));
  EXPECT_TRUE(turn_until_closed());
  EXPECT_EQ(connection.ending().code, 1013);
  EXPECT_EQ(connection.ending().reason, "too slow");
  EXPECT_EQ(closed, 1);
  EXPECT_EQ(peer.receive_frame(), std::make_pair(Opcode::close, std::string("\x03\xf5")));
}

TEST_F(ConnectionTest, AnEndWithoutACloseFrameHasNoCode) {
  LoopbackPeer peer = open();
  peer.close();
  EXPECT_TRUE(turn_until_closed());
  EXPECT_EQ(connection.ending().code, 0);
  EXPECT_EQ(closed, 1);
}

TEST_F(ConnectionTest, AMalformedFrameEndsIt) {
  const LoopbackPeer peer = open();
  peer.send("\x82\x81mask?");  // a server's frame is not masked
  EXPECT_TRUE(turn_until_closed());
  EXPECT_EQ(closed, 1);
}

TEST_F(ConnectionTest, WhatTheSocketDoesNotTakeIsWrittenLater) {
  const LoopbackPeer peer = open();
  const std::string message(60'000, 'x');
  std::size_t bytes = 0;
  while (connection.unsent_bytes() == 0) {
    connection.send(Opcode::binary, message);
    bytes += 8 + message.size();
    connection.flush();
    ASSERT_LT(bytes, 100'000'000u);
  }
  for (std::size_t got = 0; got < bytes; network.loop.turn(monotonic_ns())) {
    const std::string some = peer.receive(std::min<std::size_t>(bytes - got, 4096));
    ASSERT_FALSE(some.empty());
    got += some.size();
  }
  EXPECT_EQ(connection.unsent_bytes(), 0u);
}

TEST_F(ConnectionTest, OneThatHasStoppedToReadReadsAsMuchAsItIsTold) {
  LoopbackPeer peer = open();
  connection.stop_reading();
  peer.send(server_frame(Opcode::binary, "a") + server_frame(Opcode::binary, "b"));
  network.loop.turn(monotonic_ns());
  EXPECT_TRUE(messages.empty());
  EXPECT_EQ(connection.read(4), 4u);
  EXPECT_EQ(messages, std::vector<std::string>{"a"});

  peer.close();
  EXPECT_TRUE(turn_until(network, [&] { return connection.is_ended_by_server(); }));
  EXPECT_TRUE(connection.is_open()) << "not all has been read";
  EXPECT_EQ(connection.read(100), 2u);
  EXPECT_EQ(messages.size(), 2u);
  EXPECT_EQ(connection.read(100), 0u);
  EXPECT_EQ(connection.state(), State::closed);
}

TEST_F(ConnectionTest, ItsOwnCloseIsSentAndToldToNobody) {
  const LoopbackPeer peer = open();
  connection.close(1000);
  EXPECT_EQ(connection.state(), State::closed);
  EXPECT_EQ(closed, 0);
  EXPECT_EQ(peer.receive_frame(), std::make_pair(Opcode::close, std::string("\x03\xe8")));
  connection.send(Opcode::text, "nothing happens");
  EXPECT_EQ(connection.unsent_bytes(), 0u);
}

}  // namespace
}  // namespace voicechan::load

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "redis/envelope.hpp"

namespace voicechan::redis {
namespace {

constexpr std::uint64_t kOrigin = make_origin(0x1234'5678'9ABC, 7);

PeerId peer(std::uint8_t number) { return PeerId({0x1234'5678'9ABC, 1}, {number}); }

Message sent(const Body& body, const Envelope& envelope = {kOrigin, 1, 2, 3}) {
  auto decoded = decode(encode(envelope, body));
  if (!std::holds_alternative<Message>(decoded)) throw std::runtime_error("not understood");
  return std::get<Message>(std::move(decoded));
}

DecodeFault fault_of(std::string_view bytes) {
  const auto decoded = decode(bytes);
  if (!std::holds_alternative<DecodeFault>(decoded)) throw std::runtime_error("understood");
  return std::get<DecodeFault>(decoded);
}

MemberRecord member() {
  return {std::string(peer(1).str()), 5, 6, {UserId{42}, "зоя"}, R"({"name":"Zoe"})"};
}

TEST(RedisEnvelopeTest, HeaderArrivesAsItWasSent) {
  const Message message = sent(ProbeMessage{}, {kOrigin, 0xFFFF'FFFF, 12, ~std::uint64_t{0}});
  EXPECT_EQ(message.envelope.origin, kOrigin);
  EXPECT_EQ(message.envelope.sequence, 0xFFFF'FFFFu);
  EXPECT_EQ(message.envelope.time_ms, 12u);
  EXPECT_EQ(message.envelope.number, ~std::uint64_t{0});
}

TEST(RedisEnvelopeTest, FrameIsThirtyTwoBytesLonger) {
  const Frame frame = Frame::media("audio");
  EXPECT_EQ(encode({}, FrameMessage{frame}).size(), kHeaderBytes + 5);
}

TEST(RedisEnvelopeTest, FrameKeepsKindClassAndSource) {
  for (const FrameKind kind : {FrameKind::text, FrameKind::binary}) {
    for (const FrameClass frame_class : {FrameClass::control, FrameClass::media}) {
      const Frame frame(kind, frame_class, "x");
      const Message message = sent(FrameMessage{frame}, {kOrigin, 0, 0, 99});
      const Frame& arrived = std::get<FrameMessage>(message.body).frame;
      EXPECT_EQ(arrived.kind(), kind);
      EXPECT_EQ(arrived.frame_class(), frame_class);
      EXPECT_EQ(arrived.source(), 99u);
    }
  }
}

TEST(RedisEnvelopeTest, SnapshotArrivesAsItWasSent) {
  SnapshotMessage snapshot{true, true, 8, 9, "signaling_r", {member(), member()}};
  const Message message = sent(snapshot);
  const auto& arrived = std::get<SnapshotMessage>(message.body);
  EXPECT_TRUE(arrived.is_question);
  EXPECT_TRUE(arrived.is_listening);
  EXPECT_EQ(arrived.as_of, 8u);
  EXPECT_EQ(arrived.last_position, 9u);
  EXPECT_EQ(arrived.group, "signaling_r");
  ASSERT_EQ(arrived.members.size(), 2u);
  EXPECT_EQ(arrived.members[1].key, peer(1).str());
  EXPECT_EQ(arrived.members[1].coming, 5u);
  EXPECT_EQ(arrived.members[1].position, 6u);
  EXPECT_EQ(arrived.members[1].user.id, UserId{42});
  EXPECT_EQ(arrived.members[1].user.username, "зоя");
  EXPECT_EQ(arrived.members[1].data, R"({"name":"Zoe"})");
}

TEST(RedisEnvelopeTest, SignalAndItsDeliveryArriveAsTheyWereSent) {
  SendTicket ticket{peer(1), peer(2), 11, 12, std::chrono::milliseconds(1500)};
  const Message message = sent(SignalMessage{ticket, Frame::control_text("offer")});
  const auto& signal = std::get<SignalMessage>(message.body);
  EXPECT_EQ(signal.ticket.from, peer(1));
  EXPECT_EQ(signal.ticket.to, peer(2));
  EXPECT_EQ(signal.ticket.receipt, 11u);
  EXPECT_EQ(signal.ticket.flight, 12u);
  EXPECT_EQ(signal.frame.bytes(), "offer");
  const Message answer = sent(DeliveryMessage{ticket, Delivery::waiting});
  EXPECT_EQ(std::get<DeliveryMessage>(answer.body).delivery, Delivery::waiting);
  EXPECT_EQ(std::get<DeliveryMessage>(answer.body).ticket.waits_for.count(), 1500);
}

TEST(RedisEnvelopeTest, LaterVersionsAndTypesAreUnknownNotMalformed) {
  std::string bytes = encode({}, ByeMessage{});
  bytes[1] = 2;
  EXPECT_EQ(fault_of(bytes), DecodeFault::unknown);
  bytes[1] = 1;
  bytes[2] = 99;
  EXPECT_EQ(fault_of(bytes), DecodeFault::unknown);
}

TEST(RedisEnvelopeTest, ExtensionOfTheHeaderIsSkipped) {
  std::string bytes = encode({}, FrameMessage{Frame::media("audio")});
  bytes[30] = 3;
  bytes.insert(kHeaderBytes, "ext");
  EXPECT_EQ(std::get<FrameMessage>(std::get<Message>(decode(bytes)).body).frame.bytes(), "audio");
}

TEST(RedisEnvelopeTest, NoPartOfAMessageIsAMessage) {
  const std::vector<Body> bodies = {JoinMessage{member()},
                                    UpdateMessage{member().key, "1"},
                                    LeaveMessage{member().key},
                                    DigestMessage{},
                                    SnapshotMessage{true, true, 0, 0, "g", {member()}},
                                    LostReportsMessage{},
                                    DeliveryMessage{{peer(1), peer(2)}, Delivery::queued}};
  for (const Body& body : bodies) {
    const std::string bytes = encode({kOrigin}, body);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_EQ(fault_of(bytes.substr(0, size)), DecodeFault::malformed) << body.index();
    }
    EXPECT_EQ(fault_of(bytes + "x"), DecodeFault::malformed) << body.index();
  }
}

TEST(RedisEnvelopeTest, WhatCouldHarmClientsIsMalformed) {
  MemberRecord bad = member();
  bad.data = R"({"a":1},"injected":1)";
  EXPECT_EQ(fault_of(encode({}, JoinMessage{bad})), DecodeFault::malformed);
  EXPECT_EQ(fault_of(encode({}, UpdateMessage{bad.key, ""})), DecodeFault::malformed);
  bad = member();
  bad.user.username = "\xFF";
  EXPECT_EQ(fault_of(encode({}, JoinMessage{bad})), DecodeFault::malformed);
  bad = member();
  bad.key = std::string(PeerId::kLength, '"');
  EXPECT_EQ(fault_of(encode({}, JoinMessage{bad})), DecodeFault::malformed);
  EXPECT_EQ(fault_of(encode({}, FrameMessage{Frame::control_text("\xC0\x80")})),
            DecodeFault::malformed);
}

TEST(RedisEnvelopeTest, WhatAPeerMaySayOfItselfArrives) {
  MemberRecord record = member();
  for (const std::string& data :
       {std::string(R"("\ud83d")"), std::string(900, '[') + std::string(900, ']'),
        '"' + std::string(std::size_t{2} << 20, 'x') + '"'}) {
    record.data = data;
    EXPECT_EQ(std::get<JoinMessage>(sent(JoinMessage{record}).body).member.data, data);
  }
}

TEST(RedisEnvelopeTest, TopicsNameGroupsAndNodes) {
  const std::string name("a\0b\r\n*", 6);
  EXPECT_EQ(group_of_topic(group_topic(name)), name);
  EXPECT_EQ(group_of_topic(node_topic(1)), std::nullopt);
  EXPECT_EQ(group_of_topic(kControlTopic), std::nullopt);
  EXPECT_EQ(node_topic(0x1234'5678'9ABC), "n:123456789abc");
}

}  // namespace
}  // namespace voicechan::redis

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "fake_transport.hpp"
#include "signaling_message.hpp"
#include "socket_transport.hpp"

// Receipts: each message with a "msg_id" gets one, and it says what happened.

namespace voicechan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class HubReceiptsTest : public HubSystemTest {
 protected:
  HubReceiptsTest() : ann(join(system, 0)), bob(join(system, 1)) {}

  std::vector<std::string> answers() {
    system.settle();
    ann->write();
    return ann->transport.take();
  }

  SocketClientPtr ann;
  SocketClientPtr bob;
};

TEST_P(HubReceiptsTest, DeliveredIsSaidOnceItIsWrittenAndNotBefore) {
  ann->send(message(bob->id, "1"));
  ann->send(message(bob->id, R"("two")"));
  EXPECT_THAT(answers(), IsEmpty());
  bob->write();
  EXPECT_THAT(answers(), ElementsAre(receipt("1", "delivered", bob->id),
                                     receipt(R"("two")", "delivered", bob->id)));
  EXPECT_THAT(
      bob->transport.take(),
      ElementsAre(R"({"from":")" + ann->id + R"(","to":")" + bob->id + R"(","msg_id":1})",
                  R"({"from":")" + ann->id + R"(","to":")" + bob->id + R"(","msg_id":"two"})"));
  bob->write();
  EXPECT_THAT(answers(), IsEmpty());
}

TEST_P(HubReceiptsTest, GoneIsSaidIfThePeerLeavesBefore) {
  ann->send(message(bob->id, "1"));
  system.settle();
  const std::string id = bob->id;
  bob = nullptr;
  EXPECT_THAT(answers(), ElementsAre(receipt("1", "gone", id)));
  ann->send(message(id, "2"));
  EXPECT_THAT(answers(), ElementsAre(receipt("2", "unknown", id)));
}

TEST_P(HubReceiptsTest, UnknownBusyAndRefusedAreSaidInPlaceOfErrors) {
  ann->send(message("nobody", "1"));
  EXPECT_THAT(answers(), ElementsAre(receipt("1", "unknown", "nobody")));
  for (std::size_t i = 0; i < SocketTransport::kBusy; ++i) ann->send(message(bob->id, "0"));
  system.settle();
  ann->send(message(bob->id, "2"));
  EXPECT_THAT(answers(), ElementsAre(receipt("2", "busy", bob->id)));
  ann->send(R"({"type":"offer","msg_id":3})");
  const auto refused = answers();
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].find(R"({"type":"receipt","msg_id":3,"status":"refused","code":"bad_mess)"),
            0u);
}

TEST_P(HubReceiptsTest, APeerInARoomHasReceiptsAndAPlainOneHasNot) {
  const auto carol = join(system, 2, R"({"type":"join","room":"team"})");
  carol->send(message(bob->id, "1"));
  system.settle();
  bob->write();
  system.settle();
  carol->write();
  EXPECT_THAT(carol->transport.take(), ElementsAre(receipt("1", "delivered", bob->id)));

  const auto plain = join(system, 2, R"({"type":"join"})");
  plain->send(message(bob->id, "1"));
  system.settle();
  bob->write();
  system.settle();
  plain->write();
  EXPECT_THAT(plain->transport.take(), IsEmpty());
}

TEST_P(HubReceiptsTest, OtherValuesAreNoMessageIds) {
  const std::string text(SignalingMessage::kMaxMessageIdBytes - 2, 'x');
  for (const std::string& value :
       {std::string("null"), std::string("true"), std::string("{}"), "\"x" + text + "\""}) {
    ann->send(message(bob->id, value));
    system.settle();
    bob->write();
    EXPECT_THAT(answers(), IsEmpty()) << value;
  }
  ann->send(message(bob->id, '"' + text + '"'));
  system.settle();
  bob->write();
  EXPECT_EQ(answers().size(), 1u);
}

TEST_P(HubReceiptsTest, MessagesThatWaitForReceiptsAreBounded) {
  std::vector<SocketClientPtr> peers;
  for (std::size_t i = 0; i < 400; ++i) peers.push_back(join(system, i));
  for (std::size_t i = 0; i < 4400; ++i) {
    ann->send(message(peers[i % peers.size()]->id, std::to_string(i)));
  }
  std::size_t refused = 0;
  for (const auto& answer : answers()) {
    const auto reply = parse_json(answer).as_object();
    refused += reply.at("status") == "refused" && reply.at("code") == "rate_limited" ? 1 : 0;
  }
  EXPECT_EQ(refused, 4400u - 4096u);
  for (const auto& peer : peers) peer->write();
  EXPECT_EQ(answers().size(), 4096u);
  ann->send(message(bob->id, "1"));
  system.settle();
  bob->write();
  EXPECT_EQ(answers().size(), 1u);
}

TEST_P(HubReceiptsTest, APeerThatNeverHasAllWrittenIsBusyInTheEnd) {
  bob->transport.is_ever_congested = false;
  std::size_t busy = 0;
  for (std::size_t sent = 0; sent < 5000; sent += 1000) {
    const auto sender = join(system, 2);
    for (int i = 0; i < 1000; ++i) sender->send(message(bob->id, "1"));
    system.settle();
    sender->write();
    busy += sender->transport.take().size();
  }
  EXPECT_EQ(busy, 5000u - 4096u);
}

TEST_P(HubReceiptsTest, ATransportThatCannotTellHasDeliveredWhatItTook) {
  const auto [plain, id] = system.join_signaling(1);
  ann->send(message(id, "1"));
  EXPECT_THAT(answers(), ElementsAre(receipt("1", "delivered", id)));
}

TEST_P(HubReceiptsTest, OneWhoWritesToHimselfGetsMessageAndReceipt) {
  ann->send(message(ann->id, "1"));
  EXPECT_EQ(answers().size(), 1u);
  EXPECT_THAT(answers(), ElementsAre(receipt("1", "delivered", ann->id)));
}

INSTANTIATE_TEST_SUITE_P(Hubs, HubReceiptsTest, ::testing::Values(1, 3, kLate + 1, kLate + 3),
                         hub_count_name);

/// A client of the model. Its session may outlive `socket`, of which there is none while it is
/// lost.
struct ModelClient {
  std::unique_ptr<SocketClient> socket;
  std::string id;
  std::string key;
  std::uint64_t seq = 0;
  bool has_been_elsewhere = false;  // connected to another hub than the session's
};

/// A million messages among clients that come, go, break off, resume, and read when they like:
/// every receipt is compared with what its receiver has got.
class HubReceiptsModelTest : public ::testing::Test {
 protected:
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  static constexpr std::size_t kMessages = 100'000;
#else
  static constexpr std::size_t kMessages = 1'000'000;
#endif
  static constexpr std::size_t kHubs = 3;

  struct Message {
    std::string to;
    std::string status;  // empty: no receipt yet
    bool has_arrived = false;
    bool has_been_queued = false;
    bool has_sender_stayed = true;
    bool was_on_the_wire = false;  // written, but the connection broke
    bool may_be_in_doubt = false;  // its receiver has been elsewhere, where written is told later
  };

  static HubOptions options() {
    HubOptions options;
    options.signaling_messages_per_second = 0;
    options.max_resume_messages = 60;
    return options;
  }

  std::size_t pick(std::size_t n) { return static_cast<std::size_t>(random_()) % n; }

  void add() {
    ModelClient client;
    client.socket = join(system_, pick(kHubs), R"({"type":"join","receipts":true,"resume":true})");
    client.id = client.socket->id;
    client.key = client.socket->key;
    clients_.push_back(std::move(client));
  }

  void read(ModelClient& client) {
    if (client.socket == nullptr) return;
    client.socket->write();
    for (const std::string& text : client.socket->transport.take()) {
      if (text.find(R"({"type":"resume)") == 0) {
        has_failed_ = text.find(R"({"type":"resume_failed)") == 0;
        continue;
      }
      if (text.find(R"({"type":"error")") == 0) continue;  // said before it knew that
      ++client.seq;
      take(client, text);
    }
  }

  void take(const ModelClient& client, const std::string& text) {
    Message& message = messages_[std::stoul(text.substr(text.find("\"msg_id\":") + 9))];
    if (text.find(R"({"type":"receipt")") != 0) {
      ASSERT_FALSE(message.has_arrived) << "arrived twice";
      ASSERT_EQ(message.to, client.id);
      message.has_arrived = true;
      message.may_be_in_doubt = client.has_been_elsewhere;
      return;
    }
    ASSERT_EQ(message.status, "") << "two receipts";
    const auto begin = text.find("\"status\":\"") + 10;
    const std::string status = text.substr(begin, text.find('"', begin) - begin);
    if (status == "queued") {
      ASSERT_FALSE(message.has_been_queued) << "queued twice";
      message.has_been_queued = true;
      return;
    }
    ASSERT_TRUE(!message.has_been_queued || status == "delivered" || status == "expired") << status;
    ASSERT_TRUE(message.has_been_queued || status != "expired");
    message.status = status;
  }

  /// Its connection breaks, perhaps with messages on the wire.
  void lose(ModelClient& client) {
    if (client.socket == nullptr) return;
    if (pick(2) == 0) {
      client.socket->write();
      for (const std::string& text : client.socket->transport.take()) {
        if (text.find(R"({"type":")") == 0) continue;
        messages_[std::stoul(text.substr(text.find("\"msg_id\":") + 9))].was_on_the_wire = true;
      }
    }
    client.socket->lose();
    client.socket = nullptr;
  }

  /// On any hub; the old connection may seem alive. False, and the client is gone, if it is late.
  bool resume(ModelClient& client) {
    const std::size_t hub = pick(kHubs);
    // What it said by way of another hub must have come, as nothing tells that it was lost.
    if (client.socket != nullptr && client.has_been_elsewhere) system_.settle();
    auto socket = std::make_unique<SocketClient>();
    socket->session = system_.hub(hub).open_signaling(user(1), socket->transport);
    socket->send(R"({"type":"resume","key":")" + client.key + R"(","seq":)" +
                 std::to_string(client.seq) + "}");
    const auto old = std::exchange(client.socket, std::move(socket));
    client.has_been_elsewhere = true;
    has_failed_ = false;
    if (pick(2) == 0) return true;
    system_.settle();
    read(client);
    return !has_failed_;
  }

  void end(std::size_t index) {
    for (const std::size_t sent : sent_by_[clients_[index].id]) {
      messages_[sent].has_sender_stayed = !messages_[sent].status.empty();
    }
    former_.push_back(clients_[index].id);
    clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  void say(std::size_t number, bool to_former) {
    ModelClient& sender = clients_[pick(clients_.size())];
    if (sender.socket == nullptr) return;
    messages_[number].to =
        to_former ? former_[pick(former_.size())] : clients_[pick(clients_.size())].id;
    sent_by_[sender.id].push_back(number);
    sender.socket->send(message(messages_[number].to, std::to_string(number)));
    ++sent_;
  }

  void act() {
    const std::size_t action = pick(1000);
    const std::size_t one = clients_.empty() ? 0 : pick(clients_.size());
    if (clients_.size() < 5 || (action < 2 && clients_.size() < 30)) {
      add();
    } else if (action < 3) {
      end(one);
    } else if (action < 15) {
      lose(clients_[one]);
    } else if (action < 40) {
      if (!resume(clients_[one])) end(one);
    } else if (action < 250) {
      read(clients_[one]);
      if (has_failed_) end(one);
      has_failed_ = false;
    } else if (action < 400) {
      system_.settle();
    } else if (action == 400) {
      system_.advance(std::chrono::seconds(5));
    } else {
      say(sent_, action < 410);
    }
  }

  HubSystem system_{kHubs, options()};
  std::mt19937 random_{11};  // NOLINT: the same run each time
  std::vector<Message> messages_ = std::vector<Message>(kMessages);
  std::size_t sent_ = 0;
  std::vector<ModelClient> clients_;
  std::vector<std::string> former_{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
  std::map<std::string, std::vector<std::size_t>> sent_by_;
  bool has_failed_ = false;  // the last resume that was answered
};

TEST_F(HubReceiptsModelTest, ReceiptsNeverContradictWhatReceiversGot) {
  while (sent_ < messages_.size()) {
    act();
    if (HasFatalFailure()) return;
  }
  for (std::size_t i = clients_.size(); i-- > 0;) {
    if (!resume(clients_[i])) end(i);
  }
  for (int round = 0; round < 5; ++round) {
    system_.advance(std::chrono::seconds(31));  // those without a client leave
    for (std::size_t i = clients_.size(); i-- > 0;) {
      has_failed_ = false;
      read(clients_[i]);
      if (has_failed_) end(i);
    }
  }
  std::map<std::string, std::size_t> statuses;
  std::size_t lost_on_the_wire = 0;
  for (const Message& each : messages_) {
    if (!each.has_sender_stayed) continue;
    ++statuses[each.status];
    if (each.status == "delivered") {
      ASSERT_TRUE(each.has_arrived || each.was_on_the_wire);
      lost_on_the_wire += each.has_arrived ? 0 : 1;
    } else if (each.has_arrived) {
      const bool is_unknown = each.status == "gone" || each.status == "expired";
      ASSERT_TRUE(is_unknown && each.may_be_in_doubt) << each.status;
    }
  }
  EXPECT_EQ(statuses.count(""), 0u) << "no receipt";
  for (const char* status : {"delivered", "gone", "expired", "unknown", "busy"}) {
    EXPECT_GT(statuses[status], 100u) << status;
  }
  EXPECT_LT(lost_on_the_wire, statuses["delivered"] / 20);
}

}  // namespace
}  // namespace voicechan

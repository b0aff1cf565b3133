#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <unordered_map>
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

INSTANTIATE_TEST_SUITE_P(Hubs, HubReceiptsTest, ::testing::Values(1, 3), hub_count_name);

/// A million messages among clients that come, go, and read when they like: every receipt is
/// compared with what its receiver has got.
TEST(HubReceiptsModelTest, ReceiptsNeverContradictWhatReceiversGot) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr int kMessages = 100'000;
#else
  constexpr int kMessages = 1'000'000;
#endif
  struct Message {
    std::string to;
    std::string status;  // empty: no receipt yet
    bool has_arrived = false;
    bool has_sender_stayed = true;
  };
  HubOptions options;
  options.signaling_messages_per_second = 0;
  HubSystem system(3, options);
  std::mt19937 random(11);  // NOLINT: the same run each time
  const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  std::vector<Message> messages(kMessages);
  std::vector<SocketClientPtr> clients;
  std::vector<std::string> former{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
  std::map<std::string, std::vector<std::size_t>> sent_by;
  std::map<std::string, std::size_t> statuses;

  const auto number_after = [](const std::string& text, std::string_view name) {
    return std::stoul(text.substr(text.find(name) + name.size()));
  };
  const auto read = [&](SocketClient& client) {
    client.write();
    for (const std::string& text : client.transport.take()) {
      Message& message = messages[number_after(text, "\"msg_id\":")];
      if (text.find(R"({"type":"receipt")") == 0) {
        ASSERT_EQ(message.status, "") << "two receipts";
        const auto begin = text.find("\"status\":\"") + 10;
        message.status = text.substr(begin, text.find('"', begin) - begin);
      } else {
        ASSERT_FALSE(message.has_arrived) << "arrived twice";
        ASSERT_EQ(message.to, client.id);
        message.has_arrived = true;
      }
    }
  };
  const auto end = [&](std::size_t index) {
    for (const std::size_t sent : sent_by[clients[index]->id]) {
      messages[sent].has_sender_stayed = !messages[sent].status.empty();
    }
    former.push_back(clients[index]->id);
    clients.erase(clients.begin() + static_cast<std::ptrdiff_t>(index));
  };

  for (std::size_t sent = 0; sent < messages.size();) {
    const std::size_t action = pick(1000);
    if (clients.size() < 5 || (action < 2 && clients.size() < 30)) {
      clients.push_back(join(system, pick(3)));
    } else if (action < 4) {
      end(pick(clients.size()));
    } else if (action < 250) {
      read(*clients[pick(clients.size())]);
    } else if (action < 400) {
      system.settle();
    } else {
      Message& message_sent = messages[sent];
      message_sent.to =
          action < 410 ? former[pick(former.size())] : clients[pick(clients.size())]->id;
      SocketClient& sender = *clients[pick(clients.size())];
      sent_by[sender.id].push_back(sent);
      sender.send(message(message_sent.to, std::to_string(sent)));
      ++sent;
    }
  }
  for (int round = 0; round < 3; ++round) {
    system.settle();
    for (const auto& client : clients) read(*client);
  }
  for (const Message& each : messages) {
    if (!each.has_sender_stayed) continue;
    ++statuses[each.status];
    ASSERT_EQ(each.has_arrived, each.status == "delivered") << each.status;
  }
  EXPECT_EQ(statuses.count(""), 0u) << "no receipt";
  for (const char* status : {"delivered", "gone", "unknown", "busy"}) {
    EXPECT_GT(statuses[status], 100u) << status;
  }
}

}  // namespace
}  // namespace voicechan

#include "redis/redis_bus.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "redis/bus_header.hpp"
#include "redis_bus_fixture.hpp"

namespace voicechan::redis {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class RedisBusTest : public RedisBusFixture {
 protected:
  RedisServer server_;
};

TEST_F(RedisBusTest, AMessageReachesWhoeverIsSubscribed) {
  const auto one = make_node({server_.url()});
  const auto other = make_node({server_.url()});
  EXPECT_EQ(publish(*one, "vc:r:a", "early"), std::optional<std::size_t>(0));
  EXPECT_TRUE(subscribe(*one, "vc:r:a"));
  EXPECT_TRUE(subscribe(*other, "vc:r:a"));
  const std::string bytes("any\0\r\n byte", 11);
  EXPECT_EQ(publish(*one, "vc:r:a", bytes), std::optional<std::size_t>(2));
  EXPECT_EQ(publish(*one, "vc:r:b", "elsewhere"), std::optional<std::size_t>(0));
  run_until([&] { return !one->messages.empty() && !other->messages.empty(); });
  EXPECT_THAT(one->messages["vc:r:a"], ElementsAre(bytes)) << "the own echo";
  EXPECT_THAT(other->messages["vc:r:a"], ElementsAre(bytes));
  EXPECT_EQ(other->messages.size(), 1u);
  EXPECT_THAT(other->gaps, IsEmpty());
}

TEST_F(RedisBusTest, WhatIsPublishedInOneTurnIsOneWrite) {
  const auto node = make_node({server_.url()});
  const auto reads = [&] {
    const std::string stats = server_.command({"INFO", "stats"}).text;
    const std::string name = "total_reads_processed:";
    return std::stoi(stats.substr(stats.find(name) + name.size()));
  };
  const int before = reads();
  int answered = 0;
  for (int i = 0; i < 100; ++i) {
    node->bus().publish("vc:r:a", "x", true, [&](std::optional<std::size_t>) { ++answered; });
  }
  run_until([&] { return answered == 100; });
  EXPECT_LE(reads() - before, 10) << "those of probes and of the question included";
}

TEST_F(RedisBusTest, NothingPublishedRightAfterTheAcknowledgementIsLost) {
  RedisServer second;
  const auto listener = make_node({server_.url(), second.url()});
  const auto publisher = make_node({second.url(), server_.url()});
  constexpr int kTopics = 10'000;
  int acknowledged = 0;
  int received = 0;
  listener->on_each = [&](const std::string& topic, const std::string& bytes) {
    EXPECT_EQ(topic, "vc:r:" + bytes);
    ++received;
  };
  for (int i = 0; i < kTopics; ++i) {
    const auto name = std::to_string(i);
    listener->bus().subscribe("vc:r:" + name, [&, name](bool is_acknowledged) {
      acknowledged += is_acknowledged;
      publisher->bus().publish("vc:r:" + name, name, false);
    });
    if (i % 50 == 0) run_for(milliseconds(1));
  }
  run_until([&] { return received == kTopics; });
  EXPECT_EQ(acknowledged, kTopics);
  run_for(milliseconds(50));
  EXPECT_EQ(received, kTopics);
  EXPECT_EQ(publisher->redis().counts().published, static_cast<std::uint64_t>(kTopics));
}

TEST_F(RedisBusTest, MessagesOfOnePublisherKeepTheirOrder) {
  const auto listener = make_node({server_.url()});
  const auto publisher = make_node({server_.url()});
  ASSERT_TRUE(subscribe(*listener, "t"));
  std::vector<std::string> sent;
  for (int i = 0; i < 5000; ++i) {
    sent.push_back(std::to_string(i));
    publisher->bus().publish("t", sent.back(), i % 3 == 0);
    if (i % 500 != 499) continue;  // more at once would be refused
    run_until([&] { return listener->messages["t"].size() == sent.size(); });
  }
  EXPECT_EQ(listener->messages["t"], sent);
}

TEST_F(RedisBusTest, AfterUnsubscribeNothingComesAndTheNodeIsNotCounted) {
  const auto node = make_node({server_.url()});
  ASSERT_TRUE(subscribe(*node, "t"));
  node->bus().unsubscribe("t");
  ASSERT_TRUE(subscribe(*node, "t")) << "it comes back at once";
  EXPECT_EQ(publish(*node, "t", "x"), std::optional<std::size_t>(1));
  run_until([&] { return !node->messages["t"].empty(); });

  node->bus().unsubscribe("t");
  const auto begin = Clock::now();
  run_until([&] { return publish(*node, "t", "y") == std::optional<std::size_t>(0); });
  EXPECT_LT(Clock::now() - begin, milliseconds(500));
  run_for(milliseconds(50));  // the message comes by another connection than the answer
  EXPECT_THAT(node->messages["t"], ElementsAre("x"));
  EXPECT_THAT(node->gaps, IsEmpty());
  ASSERT_TRUE(subscribe(*node, "t"));
  EXPECT_EQ(publish(*node, "t", "z"), std::optional<std::size_t>(1));
}

TEST_F(RedisBusTest, RapidChangesOfMindEndWithWhatIsWanted) {
  const auto node = make_node({server_.url()});
  for (int i = 0; i < 3000; ++i) {
    node->bus().subscribe("t", {});
    if (i % 3 == 0) run_for(milliseconds(1));
    node->bus().unsubscribe("t");
    node->bus().unsubscribe("t");
  }
  run_until([&] { return publish(*node, "t", "x") == std::optional<std::size_t>(0); });
  ASSERT_TRUE(subscribe(*node, "t"));
  run_for(milliseconds(100));
  EXPECT_EQ(publish(*node, "t", "y"), std::optional<std::size_t>(1));
  run_until([&] { return !node->messages["t"].empty(); });
  EXPECT_THAT(node->messages["t"], ElementsAre("y"));
}

TEST_F(RedisBusTest, HowManyPublishersAreKnownIsBound) {
  const auto node = make_node({server_.url()});
  ASSERT_TRUE(subscribe(*node, "t"));
  std::uint64_t origin = 0;
  for (; origin < 3000; ++origin) {
    const BusHeader header{BusHeader::Kind::message, false, origin, 1};
    EXPECT_EQ(server_.command({"PUBLISH", "t", header.encode() + "x"}).integer, 1);
  }
  run_until([&] { return node->messages["t"].size() == origin; });
  EXPECT_EQ(node->redis().counts().forgotten_publishers, 3000u - 1024u);
  EXPECT_EQ(publish(*node, "t", "own"), std::optional<std::size_t>(1));
  run_until([&] { return node->messages["t"].back() == "own"; });
}

TEST_F(RedisBusTest, WhatOthersPublishIsCountedAndIgnored) {
  const auto node = make_node({server_.url()});
  ASSERT_TRUE(subscribe(*node, "t"));
  for (const std::string_view bytes : {"", "hello", "a message that is as long as a header is"}) {
    EXPECT_EQ(server_.command({"PUBLISH", "t", bytes}).integer, 1);
  }
  run_until([&] { return node->redis().counts().not_understood == 3; });
  EXPECT_THAT(node->messages, IsEmpty());
}

TEST_F(RedisBusTest, CallbacksMayCallTheBus) {
  const auto node = make_node({server_.url()});
  int rounds = 0;
  node->on_each = [&](const std::string& topic, const std::string&) {
    node->bus().unsubscribe(topic);
    for (int i = 0; i < 100; ++i) {  // enough for the tables to grow
      node->bus().subscribe("t" + std::to_string(++rounds), {});
    }
    const auto last = "t" + std::to_string(rounds);
    node->bus().subscribe(last, [&, last](bool) { node->bus().publish(last, "again", false); });
  };
  ASSERT_TRUE(subscribe(*node, "t0"));
  node->bus().publish("t0", "go", false);
  run_until([&] { return rounds >= 2000; });
}

TEST_F(RedisBusTest, WithoutAServerTheAnswersSaySo) {
  RedisServer gone;
  gone.kill();
  BusNode node(io_, {gone.url()});
  const auto begin = Clock::now();
  EXPECT_FALSE(subscribe(node, "t"));
  EXPECT_NEAR(std::chrono::duration<double>(Clock::now() - begin).count(), 1.0, 0.2);
  EXPECT_EQ(publish(node, "t", "x"), std::nullopt);
  EXPECT_FALSE(node.bus().is_reachable());
  EXPECT_THAT(node.log, HasSubstr("bus " + gone.url().display() + ": cannot connect"));
  gone.start();
  run_until([&] { return node.gaps["t"] == 1; });
  run_until([&] { return node.bus().is_reachable(); });
  EXPECT_EQ(publish(node, "t", "x"), std::optional<std::size_t>(1));
  EXPECT_THAT(node.states, ElementsAre(true));
}

TEST_F(RedisBusTest, TheSameServerTwiceIsRefused) {
  const auto bus = [&] { BusNode node(io_, {server_.url(), server_.url()}); };
  EXPECT_THROW(bus(), std::runtime_error);
}

class RedisBusAccessTest : public RedisBusFixture {};

std::vector<std::string> with_acl_user() {
  auto settings = RedisServer::bus_settings();
  // The settings of the README.
  for (const char* word :
       {"--user", "default", "off", "--user", "voicechan", "on", ">s3cret", "resetkeys",
        "resetchannels", "&vc:*", "-@all", "+publish", "+subscribe", "+unsubscribe", "+ping"}) {
    settings.emplace_back(word);
  }
  return settings;
}

TEST_F(RedisBusAccessTest, AUserWithTheRightsOfTheReadmeCanDoAll) {
  RedisServer server(with_acl_user());
  auto url = server.url();
  url.user = "voicechan";
  url.password = "s3cret";
  const auto node = make_node({url});
  ASSERT_TRUE(subscribe(*node, "vc:r:a"));
  EXPECT_EQ(publish(*node, "vc:r:a", "x"), std::optional<std::size_t>(1));
  node->bus().unsubscribe("vc:r:a");
  run_until([&] { return publish(*node, "vc:r:a", "y") == std::optional<std::size_t>(0); });
  EXPECT_EQ(node->log, "bus " + server.url().display() + ": in use\n");
  EXPECT_EQ(node->warnings, 0);

  EXPECT_FALSE(subscribe(*node, "other")) << "a topic that it has no right to";
  EXPECT_THAT(node->log, HasSubstr("NOPERM"));
  EXPECT_EQ(publish(*node, "other", "x"), std::nullopt);
}

TEST_F(RedisBusAccessTest, AUserThatMaySubscribeToNothingIsToldOfOnce) {
  auto settings = with_acl_user();
  for (const char* word : {"--user", "deaf", "on", ">d3af", "resetchannels", "-@all", "+publish",
                           "+subscribe", "+unsubscribe", "+ping"}) {
    settings.emplace_back(word);
  }
  RedisServer server(settings);
  auto url = server.url();
  url.user = "deaf";
  url.password = "d3af";
  BusNode node(io_, {url});
  run_for(std::chrono::seconds(4));  // probes that came back nowhere would end it after two
  EXPECT_EQ(std::count(node.log.begin(), node.log.end(), '\n'), 1) << node.log;
  EXPECT_THAT(node.log, HasSubstr("it refused SUBSCRIBE: NOPERM"));
  EXPECT_FALSE(node.bus().is_reachable());
}

/// Else the only other node would be taken for this one, and nobody be told anything.
TEST_F(RedisBusAccessTest, ANodeThatIsNotSubscribedYetCountsItself) {
  auto settings = with_acl_user();
  for (const char* word : {"--user", "deaf", "on", ">d3af", "allchannels", "-@all", "+publish",
                           "+unsubscribe", "+ping"}) {
    settings.emplace_back(word);
  }
  RedisServer server(settings);
  auto url = server.url();
  url.user = "voicechan";
  url.password = "s3cret";
  const auto other = make_node({url});
  url.user = "deaf";
  url.password = "d3af";
  BusNode node(io_, {url});
  EXPECT_EQ(publish(*other, "vc:r:a", "x"), std::optional<std::size_t>(0));
  ASSERT_TRUE(subscribe(*other, "vc:r:a"));
  run_until([&] { return publish(node, "vc:r:a", "x") == std::optional<std::size_t>(1); });
  node.bus().subscribe("vc:r:a", {});
  EXPECT_EQ(publish(node, "vc:r:a", "y"), std::optional<std::size_t>(2));
  EXPECT_EQ(publish(*other, "vc:r:a", "z"), std::optional<std::size_t>(1));
  node.bus().unsubscribe("vc:r:a");
  EXPECT_EQ(publish(node, "vc:r:a", "y"), std::optional<std::size_t>(1));
}

TEST_F(RedisBusAccessTest, AWrongPasswordIsToldWithoutIt) {
  RedisServer server(with_acl_user());
  auto url = server.url();
  url.user = "voicechan";
  url.password = "wr0ng";
  BusNode node(io_, {url});
  run_until([&] { return node.log.find("WRONGPASS") != std::string::npos; });
  EXPECT_THAT(node.log, Not(HasSubstr("wr0ng")));
  EXPECT_FALSE(node.bus().is_reachable());
  EXPECT_LT(node.log.size(), 300u) << "told once, not with each try: " << node.log;
}

TEST_F(RedisBusAccessTest, ThePasswordOfTheDefaultUser) {
  auto settings = RedisServer::bus_settings();
  settings.insert(settings.end(), {"--requirepass", "s3cret"});
  RedisServer server(settings);
  auto url = server.url();
  url.password = "s3cret";
  url.database = 3;
  const auto node = make_node({url});
  ASSERT_TRUE(subscribe(*node, "t"));
  EXPECT_EQ(publish(*node, "t", "x"), std::optional<std::size_t>(1));
}

class RedisBusTlsTest : public RedisBusFixture {
 protected:
  RedisBusTlsTest() : port_(RedisServer::find_free_port()) {
    make_certificate("server", "localhost");
    make_certificate("other", "localhost");
    auto settings = RedisServer::bus_settings();
    for (const auto& word :
         {std::string("--tls-port"), std::to_string(port_), std::string("--tls-cert-file"),
          folder_.file("server.crt"), std::string("--tls-key-file"), folder_.file("server.key"),
          std::string("--tls-ca-cert-file"), folder_.file("server.crt"),
          std::string("--tls-auth-clients"), std::string("no")}) {
      settings.push_back(word);
    }
    server_ = std::make_unique<RedisServer>(settings);
  }

  RedisUrl url(const std::string& host, const std::string& authority) const {
    RedisUrl url;
    url.is_tls = true;
    url.host = host;
    url.port = port_;
    url.ca_file = folder_.file(authority + ".crt");
    return url;
  }

 private:
  void make_certificate(const std::string& name, const std::string& host) {
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=" +
        host + " -addext subjectAltName=DNS:" + host + " -keyout " + folder_.file(name + ".key") +
        " -out " + folder_.file(name + ".crt") + " 2>/dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0);  // NOLINT(cert-env33-c)
  }

  const TempFolder folder_;
  const std::uint16_t port_;
  std::unique_ptr<RedisServer> server_;
};

TEST_F(RedisBusTlsTest, MessagesGoThroughIt) {
  const auto one = make_node({url("localhost", "server")});
  const auto other = make_node({url("localhost", "server")});
  ASSERT_TRUE(subscribe(*one, "t"));
  const std::string bytes(100'000, 'x');
  EXPECT_EQ(publish(*other, "t", bytes), std::optional<std::size_t>(1));
  run_until([&] { return !one->messages["t"].empty(); });
  EXPECT_EQ(one->messages["t"][0], bytes);
}

TEST_F(RedisBusTlsTest, AnUnknownAuthorityIsRefused) {
  BusNode node(io_, {url("localhost", "other")});
  run_until([&] { return node.log.find("certificate verify failed") != std::string::npos; });
  EXPECT_FALSE(node.bus().is_reachable());
}

TEST_F(RedisBusTlsTest, ACertificateOfAnotherHostIsRefused) {
  BusNode node(io_, {url("127.0.0.1", "server")});
  run_until([&] { return node.log.find("certificate verify failed") != std::string::npos; });
  EXPECT_FALSE(node.bus().is_reachable());
}

TEST_F(RedisBusTlsTest, AMissingFileOfAuthoritiesIsNamed) {
  try {
    BusNode node(io_, {url("localhost", "none")});
    FAIL() << "opened";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("none.crt"));
  }
}

}  // namespace
}  // namespace voicechan::redis

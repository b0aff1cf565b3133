#include "options.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <vector>

namespace voicechan::load {
namespace {

Options parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "voicechan-load");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

Options parse_relay(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), {"relay", "--connect", "127.0.0.1:80"});
  return parse(std::move(arguments));
}

int status_of(std::vector<const char*> arguments) {
  try {
    parse_relay(std::move(arguments));
  } catch (const CommandLineExit& exit) {
    return exit.status;
  }
  return -1;
}

TEST(OptionsTest, SeveralServersKeepTheirOrder) {
  const Options options = parse_relay({"--connect", "127.0.0.2:81"});
  ASSERT_EQ(options.target.destinations.size(), 2u);
  EXPECT_EQ(options.target.destinations[1].host, "127.0.0.2:81");
}

TEST(OptionsTest, DefaultsAreThoseThatHelpNames) {
  const Options options = parse_relay({});
  EXPECT_EQ(options.mode, Options::Mode::relay);
  EXPECT_EQ(options.path_template, "/ws/voice/{room}/");
  ASSERT_EQ(options.target.destinations.size(), 1u);
  EXPECT_EQ(options.target.destinations[0].host, "127.0.0.1:80");
  EXPECT_EQ(options.target.connections_per_second, 2000);
  EXPECT_EQ(options.relay.frame_bytes, 160u);
  EXPECT_EQ(options.relay.frames_per_second, 50);
  EXPECT_EQ(options.relay.window, 0u);
  EXPECT_EQ(options.relay.room_prefix, "load-");
}

TEST(OptionsTest, EveryModeHasItsPath) {
  EXPECT_EQ(parse({"idle", "--connect", "127.0.0.1:80"}).path_template, "/ws/voice/{room}/");
  EXPECT_EQ(parse({"signaling", "--connect", "127.0.0.1:80"}).path_template, "/ws/signaling/");
  EXPECT_EQ(parse({"listen", "--connect", "127.0.0.1:80", "--path", "/x"}).path_template, "/x");
}

TEST(OptionsTest, KeysAndSourcesMayBeSeveral) {
  const Options options = parse_relay(
      {"--key", "a", "--key", "b", "--source-addresses", "127.0.0.1,127.0.0.2,127.0.0.3"});
  EXPECT_EQ(options.target.keys, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(options.target.sources.size(), 3u);
}

TEST(OptionsTest, ContradictionsAreWrongUsage) {
  EXPECT_EQ(status_of({"--rate", "10", "--window", "2"}), 2);
  EXPECT_EQ(status_of({"--members", "3", "--speakers", "4"}), 2);
  EXPECT_EQ(status_of({"--members", "3", "--speakers", "2", "--slow", "2"}), 2);
  EXPECT_EQ(status_of({"--members", "2", "--slow", "1", "--window", "1"}), 2);
  EXPECT_EQ(status_of({"--members", "2", "--slow", "1"}), -1);
  EXPECT_EQ(status_of({"--rooms", "1000000", "--members", "1000000"}), 2);
}

TEST(OptionsTest, ProcessMustExist) {
  EXPECT_EQ(status_of({"--pid", std::to_string(getpid()).c_str()}), -1);
  EXPECT_EQ(status_of({"--pid", "1073741823"}), 2);
}

TEST(OptionsTest, HelpIsNoError) { EXPECT_EQ(status_of({"--help"}), 0); }

}  // namespace
}  // namespace voicechan::load

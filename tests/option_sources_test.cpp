#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "cli.hpp"
#include "temp_file_fixture.hpp"

namespace voicechan::server {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

std::vector<const char*> pointers(const Words& words) {
  std::vector<const char*> all;
  for (const std::string& word : words) all.push_back(word.c_str());
  return all;
}

/// Command lines with an environment and a file of their own.
class OptionSourcesTest : public TempFileFixture {
 protected:
  CommandLine parse(Words arguments = {}, const Words& environment = {}) {
    arguments.insert(arguments.begin(), {"voicechan-server", command_});
    if (has_file()) arguments.insert(arguments.end(), {"--config", path_.string()});
    const auto line = pointers(arguments);
    auto variables = pointers(environment);
    variables.push_back(nullptr);
    return parse_command_line(static_cast<int>(line.size()), line.data(), variables.data());
  }

  /// What is said of a line that is refused, without the file's folder.
  std::string refusal(const Words& arguments = {}, const Words& environment = {}) {
    try {
      parse(arguments, environment);
      return "accepted";
    } catch (const CommandLineExit& exit) {
      EXPECT_EQ(exit.status, 2);
      std::string text = exit.text;
      const std::string folder = directory_.string() + '/';
      for (auto at = text.find(folder); at != std::string::npos; at = text.find(folder)) {
        text.erase(at, folder.size());
      }
      return text;
    }
  }
  /// The same of a file.
  std::string refusal_of(std::string_view file) {
    write(file);
    return refusal();
  }

  std::string command_ = "serve";

 private:
  bool has_file() const { return std::filesystem::exists(path_); }
};

TEST_F(OptionSourcesTest, AFileGivesValuesOfEveryType) {
  write(
      "listen = '[::1]:0'\nworkers = 3\nmessage-rate = 1.5\nping-interval = 0.25\n"
      "allow-query-token = true\nallowed-origin = ['https://A.example', '*']\n"
      "jwt-jwks = 'keys'\njwt-algorithms = ['ES256', 'EdDSA']\n");
  const CommandLine line = parse();
  EXPECT_EQ(line.server.listen_address, "::1");
  EXPECT_EQ(line.server.workers, 3u);
  EXPECT_EQ(line.server.inbound.messages_per_second, 1.5);
  EXPECT_EQ(line.server.deadlines.ping_interval, 250ms);
  EXPECT_TRUE(line.server.allow_query_token);
  EXPECT_THAT(line.server.origins.allowed, ElementsAre("https://a.example", "*"));
  EXPECT_EQ(line.server.jwt.algorithms, (std::vector{JwtAlgorithm::es256, JwtAlgorithm::eddsa}));
}

TEST_F(OptionSourcesTest, TheEnvironmentGivesValuesOfEveryType) {
  const CommandLine line = parse(
      {}, {"VOICECHAN_LISTEN=[::1]:0", "VOICECHAN_WORKERS=3", "VOICECHAN_PING_INTERVAL=0.25",
           "VOICECHAN_ALLOW_QUERY_TOKEN=1", "VOICECHAN_ALLOWED_ORIGIN=https://A.example, *,",
           "VOICECHAN_DB=", "VOICECHAN_JWT_JWKS=keys", "VOICECHAN_JWT_ALGORITHMS=ES256,EdDSA"});
  EXPECT_EQ(line.server.listen_address, "::1");
  EXPECT_EQ(line.server.workers, 3u);
  EXPECT_EQ(line.server.deadlines.ping_interval, 250ms);
  EXPECT_TRUE(line.server.allow_query_token);
  EXPECT_THAT(line.server.origins.allowed, ElementsAre("https://a.example", "*"));
  EXPECT_EQ(line.store.database, "voicechan.db");
  EXPECT_EQ(line.server.jwt.algorithms, (std::vector{JwtAlgorithm::es256, JwtAlgorithm::eddsa}));
}

TEST_F(OptionSourcesTest, TheCommandLineGoesBeforeTheEnvironmentAndThatBeforeTheFile) {
  write(
      "max-fragments = 1\nmax-header-count = 1\nmax-json-depth = 1\nallow-query-token = true\n"
      "trusted-proxy = ['10.0.0.1', '10.0.0.2']\nlog-level = 'off'\n");
  const CommandLine line =
      parse({"--max-fragments", "3", "--allow-query-token=false", "--log-level", "warn"},
            {"VOICECHAN_MAX_FRAGMENTS=2", "VOICECHAN_MAX_HEADER_COUNT=2",
             "VOICECHAN_TRUSTED_PROXY=10.0.0.3", "VOICECHAN_LOG_LEVEL=debug"});
  EXPECT_EQ(line.server.websocket.max_fragments, 3u);
  EXPECT_EQ(line.server.http.max_header_count, 2u);
  EXPECT_EQ(line.server.hub.max_json_depth, 1u);
  EXPECT_FALSE(line.server.allow_query_token);
  EXPECT_EQ(line.log_level, spdlog::level::warn);
  const auto address = [](const char* text) { return parse_address(text).value(); };
  EXPECT_TRUE(line.server.trusted_proxies.contains(address("10.0.0.3")));
  EXPECT_FALSE(line.server.trusted_proxies.contains(address("10.0.0.1")));
}

TEST_F(OptionSourcesTest, TheEnvironmentNamesAFileUnlessTheCommandLineDoes) {
  write("workers = 7\n");
  const auto other = directory_ / "other";
  std::filesystem::rename(path_, other);
  const std::string variable = "VOICECHAN_CONFIG=" + other.string();
  EXPECT_EQ(parse({}, {variable}).server.workers, 7u);
  EXPECT_EQ(parse({"--config=-none"}, {variable}).server.workers, 0u);
}

TEST_F(OptionSourcesTest, AFileMustBeThereUnlessItMayBeMissing) {
  EXPECT_EQ(refusal({"--config", "none"}),
            "voicechan-server: cannot read none: No such file or directory\n");
  EXPECT_EQ(parse({"--config=-none"}).server.workers, 0u);
  // What is there but cannot be read is not missing.
  EXPECT_THAT(refusal({"--config=-" + directory_.string()}), HasSubstr("not a regular file"));
}

TEST_F(OptionSourcesTest, WhatOptionsNeedMayComeFromElsewhere) {
  write("jwt-jwks = 'keys'\ntls-key = 'key'\ntrusted-proxy = ['10.0.0.1']\n");
  const CommandLine line =
      parse({"--jwt-issuer", "i", "--proxy-protocol"}, {"VOICECHAN_TLS_CERT=certificate"});
  EXPECT_EQ(line.server.jwt.claims.issuer, "i");
  EXPECT_TRUE(line.server.proxy_protocol);
  EXPECT_EQ(line.server.tls.key, "key");
}

TEST_F(OptionSourcesTest, AFlagThatIsOffNeedsNothing) {
  write("proxy-protocol = false\njwt-create-users = false\n");
  EXPECT_FALSE(parse().server.proxy_protocol);
}

TEST_F(OptionSourcesTest, WhatIsNeededAndMissingIsNamedWithItsPlace) {
  EXPECT_EQ(refusal_of("\nproxy-protocol = true\n"),
            "voicechan-server: --proxy-protocol needs --trusted-proxy (--proxy-protocol from "
            "file:2)\n");
  EXPECT_EQ(refusal_of("drain-spread = 9\n"),
            "voicechan-server: --drain-spread: must be less than --drain-timeout (--drain-spread "
            "from file:1)\n");
  EXPECT_EQ(refusal_of("drain-timeout = 1\n"), "accepted");
}

TEST_F(OptionSourcesTest, AnErrorInAFileNamesFileLineAndKey) {
  const std::pair<const char*, const char*> cases[] = {
      {"\n\nmax-conections = 1",
       "file:3: max-conections: no such option; did you mean "
       "max-connections?"},
      {"dance = 1", "file:1: dance: no such option\n"},
      {"max_connections = 1", "did you mean max-connections?"},
      {"config = 'x'", "file:1: config: a file cannot name another one"},
      {"help = true", "file:1: help: no such option\n"},
      {"[limits]\nworkers = 1", "file:1: limits: there are no tables"},
      {"workers = '1'", "file:1: workers: must be a number, not a string"},
      {"try = 1", "file:1: try: must be true or false, not a number"},
      {"db = true", "file:1: db: must be a string, not true or false"},
      {"allowed-origin = '*'", "file:1: allowed-origin: must be a list of strings, not a string"},
      {"trusted-proxy = [1]", "file:1: trusted-proxy: must be a list of strings, not something"},
      {"workers = 65", "file:1: workers: Value 65 not in range 0 to 64"},
      {"workers = -1", "file:1: workers: Value -1 not in range 0 to 64"},
      {"workers = 1.5", "file:1: workers: Value 1.5 not in range 0 to 64"},
      {"ping-interval = nan", "file:1: ping-interval: \"nan\" is not a number from 0.05 to 86400"},
      {"log-level = 'loud'", "file:1: log-level: loud not in {debug,info,warn,error,off}"},
      {"listen = 'x'",
       "file:1: listen: \"x\" is not ADDR:PORT, such as 127.0.0.1:8000 or [::1]:8000"},
      {"allowed-origin = ['x']", "file:1: allowed-origin: \"x\" is no origin"},
      {"db = ''", "file:1: db: is empty"},
      {"db = \"a\\u0000b\"", "file:1: db: must not have a zero character in it"},
      {"workers = 1\nworkers = 2", "file:2: "},
  };
  for (const auto& [file, message] : cases) {
    const std::string text = refusal_of(file);
    EXPECT_THAT(text, HasSubstr(message)) << file;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  }
}

TEST_F(OptionSourcesTest, AllErrorsAreTold) {
  write("workers = 65\ndance = 1\n");
  EXPECT_EQ(refusal({}, {"VOICECHAN_MAX_FRAGMENTS=0"}),
            "voicechan-server: VOICECHAN_MAX_FRAGMENTS: Value 0 not in range 1 to 1073741824\n"
            "voicechan-server: file:1: workers: Value 65 not in range 0 to 64\n"
            "voicechan-server: file:2: dance: no such option\n");
}

TEST_F(OptionSourcesTest, AnErrorInTheEnvironmentNamesTheVariable) {
  const auto refused = [this](const char* variable) { return refusal({}, {variable}); };
  EXPECT_THAT(refused("VOICECHAN_TRY=maybe"), HasSubstr("VOICECHAN_TRY: must be true or false"));
  EXPECT_THAT(refused("VOICECHAN_LISTEN=x"), HasSubstr("VOICECHAN_LISTEN: \"x\" is not ADDR"));
  EXPECT_THAT(refused("VOICECHAN_TRUSTED_PROXY=::1,x"),
              HasSubstr("VOICECHAN_TRUSTED_PROXY: \"x\""));
  EXPECT_THAT(refused("VOICECHAN_MAX_CONECTIONS=1"),
              HasSubstr("VOICECHAN_MAX_CONECTIONS: no option has this variable; did you mean "
                        "VOICECHAN_MAX_CONNECTIONS?"));
}

TEST_F(OptionSourcesTest, VariablesOfOthersAreLeftAlone) {
  const CommandLine line = parse(
      {}, {"VOICECHAN_OPTIONS=--x", "VOICECHAN_SERVER=/x", "VOICECHAN_LOAD=/x",
           "VOICECHAN_TEST_SCALE=1", "VOICECHAN_TEST_KILLS=200", "VOICECHAN_RELAY_YARDSTICK=/x",
           "VOICECHAN_KEY=x", "VOICECHAN_BENCH=ON", "VOICECHAN_SERVICE_HOST=10.0.0.1",
           "VOICECHAN_PORT=tcp://10.0.0.1:80", "VOICECHAN_", "voicechan_workers=9", "WORKERS=9"});
  EXPECT_EQ(line.server.workers, 0u);
}

TEST_F(OptionSourcesTest, OtherCommandsTakeTheDatabaseOfTheEnvironment) {
  const char* const arguments[] = {"voicechan-server", "user", "list"};
  const char* const environment[] = {"VOICECHAN_DB=there", "VOICECHAN_WORKERS=wrong", nullptr};
  EXPECT_EQ(parse_command_line(3, arguments, environment).store.database, "there");
}

TEST_F(OptionSourcesTest, TheEffectiveConfigurationSaysWhereValuesComeFrom) {
  command_ = "check-config";
  write("\nworkers = 2\n");
  const std::string text =
      parse({"--max-fragments", "0x10"}, {"VOICECHAN_ALLOWED_ORIGIN=*"}).effective_config;
  EXPECT_THAT(text, HasSubstr("\nworkers = 2  # " + path_.string() + ":2\n"));
  EXPECT_THAT(text, HasSubstr("\nmax-fragments = 16  # command line\n"));
  EXPECT_THAT(text, HasSubstr("\nallowed-origin = [\"*\"]  # VOICECHAN_ALLOWED_ORIGIN\n"));
  EXPECT_THAT(text, HasSubstr("\n#max-json-depth = 64\n"));
  EXPECT_THAT(text, HasSubstr("\n#db = \"voicechan.db\"\n"));
}

TEST_F(OptionSourcesTest, TheEffectiveConfigurationOfATryShowsWhatItChanges) {
  command_ = "check-config";
  const std::string text = parse({"--try"}).effective_config;
  EXPECT_THAT(text, HasSubstr("\ntry = true  # command line\n"));
  EXPECT_THAT(text, HasSubstr("\n#db = \":memory:\"\n"));
  EXPECT_THAT(text, HasSubstr("\n#allow-query-token = true\n"));
}

TEST_F(OptionSourcesTest, TheHelpStillTellsWhatOptionsNeed) {
  const char* const arguments[] = {"voicechan-server", "serve", "--help"};
  try {
    parse_command_line(3, arguments);
    FAIL();
  } catch (const CommandLineExit& exit) {
    EXPECT_THAT(exit.text, HasSubstr("--proxy-protocol Needs: --trusted-proxy"));
  }
}

}  // namespace
}  // namespace voicechan::server

#include "cli.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <vector>

namespace voicechan::server {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Arguments = std::vector<const char*>;

CommandLine parse(Arguments arguments) {
  arguments.insert(arguments.begin(), "voicechan-server");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

/// How the line is refused, or what it prints; status -1 if it is accepted.
CommandLineExit exit_of(const Arguments& arguments) {
  try {
    parse(arguments);
    return {-1, {}};
  } catch (const CommandLineExit& exit) {
    return exit;
  }
}

struct WrongLine {
  Arguments arguments;
};

void PrintTo(const WrongLine& line, std::ostream* out) {
  for (const char* argument : line.arguments) *out << '\'' << argument << "' ";
}

class WrongLineTest : public ::testing::TestWithParam<WrongLine> {};

TEST_P(WrongLineTest, GivesStatus2AndOneLine) {
  const CommandLineExit exit = exit_of(GetParam().arguments);
  EXPECT_EQ(exit.status, 2);
  EXPECT_THAT(exit.text, ::testing::StartsWith("voicechan-server: "));
  EXPECT_THAT(exit.text, ::testing::EndsWith("\n"));
  EXPECT_EQ(std::count(exit.text.begin(), exit.text.end(), '\n'), 1);
  EXPECT_LT(exit.text.size(), 200u) << exit.text;
}

INSTANTIATE_TEST_SUITE_P(
    Commands, WrongLineTest,
    ::testing::Values(WrongLine{{}}, WrongLine{{"dance"}}, WrongLine{{"user"}},
                      WrongLine{{"serve", "user", "list"}}, WrongLine{{"user", "dance"}},
                      WrongLine{{"user", "add"}}, WrongLine{{"user", "add", "a", "b"}},
                      WrongLine{{"user", "remove"}}, WrongLine{{"user", "token"}},
                      WrongLine{{"user", "list", "a"}}, WrongLine{{"user", "list", "--db"}},
                      WrongLine{{"user", "list", "--db", ""}},
                      WrongLine{{"user", "list", "--db", ":memory:"}},
                      WrongLine{{"user", "add", "a", "--workers", "1"}}));

INSTANTIATE_TEST_SUITE_P(
    Listen, WrongLineTest,
    ::testing::Values(WrongLine{{"serve", "--listen"}}, WrongLine{{"serve", "--listen", ""}},
                      WrongLine{{"serve", "--listen", "8000"}},
                      WrongLine{{"serve", "--listen", ":8000"}},
                      WrongLine{{"serve", "--listen", "127.0.0.1"}},
                      WrongLine{{"serve", "--listen", "127.0.0.1:"}},
                      WrongLine{{"serve", "--listen", "127.0.0.1:65536"}},
                      WrongLine{{"serve", "--listen", "127.0.0.1:99999999999999999999"}},
                      WrongLine{{"serve", "--listen", "127.0.0.1:-1"}},
                      WrongLine{{"serve", "--listen", "127.0.0.1:80x"}},
                      WrongLine{{"serve", "--listen", "256.0.0.1:80"}},
                      WrongLine{{"serve", "--listen", "[::1:80"}},
                      WrongLine{{"serve", "--listen", "nohost:80"}},
                      WrongLine{{"serve", "--try", "--listen", "0.0.0.0:80"}},
                      WrongLine{{"serve", "--try", "--listen", "[::]:80"}}));

INSTANTIATE_TEST_SUITE_P(Values, WrongLineTest,
                         ::testing::Values(WrongLine{{"serve", "extra"}},
                                           WrongLine{{"serve", "--dance"}},
                                           WrongLine{{"serve", "--db", ""}},
                                           WrongLine{{"serve", "--db", "a", "--db", "b"}},
                                           WrongLine{{"serve", "--workers", "-1"}},
                                           WrongLine{{"serve", "--workers", "65"}},
                                           WrongLine{{"serve", "--workers", "two"}},
                                           WrongLine{{"serve", "--blocking-threads", "0"}},
                                           WrongLine{{"serve", "--max-connections", "0"}},
                                           WrongLine{{"serve", "--max-message-bytes", "0"}},
                                           WrongLine{{"serve", "--max-body-bytes", "1kb"}},
                                           WrongLine{{"serve", "--log-level", "loud"}},
                                           WrongLine{{"serve", "--try=maybe"}}));

INSTANTIATE_TEST_SUITE_P(
    Jwt, WrongLineTest,
    ::testing::Values(
        WrongLine{{"serve", "--jwt-jwks", ""}}, WrongLine{{"serve", "--jwt-issuer", "a"}},
        WrongLine{{"serve", "--jwt-audience", "a"}}, WrongLine{{"serve", "--jwt-create-users"}},
        WrongLine{{"serve", "--jwt-jwks", "a", "--jwt-algorithms", "none"}},
        WrongLine{{"serve", "--jwt-jwks", "a", "--jwt-algorithms", "rs256"}},
        WrongLine{{"serve", "--jwt-jwks", "a", "--jwt-algorithms", ""}},
        WrongLine{{"serve", "--jwt-jwks", "a", "--jwt-leeway", "-1"}},
        WrongLine{{"serve", "--jwt-jwks", "a", "--jwt-leeway", "3601"}},
        WrongLine{{"serve", "--jwt-jwks", "a", "--jwt-subject", "email"}},
        WrongLine{{"serve", "--jwt-jwks", "a", "--jwt-subject", "id", "--jwt-create-users"}},
        WrongLine{{"token"}}, WrongLine{{"token", "revoke"}}, WrongLine{{"token", "dance"}},
        WrongLine{{"token", "revoke", "a", "b"}}, WrongLine{{"token", "list", "a"}},
        WrongLine{{"token", "revoke", "a", "--until", "tomorrow"}},
        WrongLine{{"token", "revoke", "a", "--until", "-1"}},
        WrongLine{{"token", "list", "--db", ":memory:"}}));

INSTANTIATE_TEST_SUITE_P(Fractions, WrongLineTest,
                         ::testing::Values(WrongLine{{"serve", "--ping-interval", "0"}},
                                           WrongLine{{"serve", "--ping-interval", "-1"}},
                                           WrongLine{{"serve", "--ping-interval", "nan"}},
                                           WrongLine{{"serve", "--ping-interval", "inf"}},
                                           WrongLine{{"serve", "--ping-interval", "1e300"}},
                                           WrongLine{{"serve", "--ping-interval", "25s"}},
                                           WrongLine{{"serve", "--signaling-rate", "-1"}},
                                           WrongLine{{"serve", "--signaling-rate", "nan"}},
                                           WrongLine{{"serve", "--signaling-rate", "inf"}},
                                           WrongLine{{"serve", "--signaling-burst", "0"}},
                                           WrongLine{{"serve", "--resume-window", "-1"}},
                                           WrongLine{{"serve", "--resume-window", "nan"}},
                                           WrongLine{{"serve", "--resume-window", "86401"}},
                                           WrongLine{{"serve", "--max-resume-messages", "0"}},
                                           WrongLine{{"serve", "--max-resume-bytes", "-1"}},
                                           WrongLine{{"serve", "--drain-spread", "-1"}},
                                           WrongLine{{"serve", "--drain-spread", "nan"}},
                                           WrongLine{{"serve", "--drain-spread", "4"}},
                                           WrongLine{{"serve", "--drain-timeout", "9",
                                                      "--drain-spread", "9"}},
                                           WrongLine{{"serve", "--signaling-burst", "nan"}},
                                           WrongLine{{"serve", "--max-json-depth", "1001"}},
                                           WrongLine{{"serve", "--message-rate", "-1"}},
                                           WrongLine{{"serve", "--message-burst", "0"}},
                                           WrongLine{{"serve", "--wrong-key-rate", "nan"}}));

INSTANTIATE_TEST_SUITE_P(Origins, WrongLineTest,
                         ::testing::Values(WrongLine{{"serve", "--allowed-origin", ""}},
                                           WrongLine{{"serve", "--allowed-origin", "null"}},
                                           WrongLine{{"serve", "--allowed-origin", "app.example"}},
                                           WrongLine{{"serve", "--allowed-origin",
                                                      "https://app.example/"}}));

TEST(CommandLineTest, ARefusalNamesTheOptionAndTheValue) {
  const std::string text = exit_of({"serve", "--listen", "nonsense"}).text;
  EXPECT_THAT(text, HasSubstr("--listen"));
  EXPECT_THAT(text, HasSubstr("nonsense"));
}

TEST(CommandLineTest, AMisspeltOptionIsToldWhichOneIsNear) {
  EXPECT_EQ(exit_of({"serve", "--max-conections=5"}).text,
            "voicechan-server: --max-conections is not known; did you mean --max-connections? "
            "(--help tells more)\n");
  EXPECT_THAT(exit_of({"user", "add", "alice", "--dbb", "x.db"}).text,
              HasSubstr("did you mean --db?"));
  EXPECT_EQ(exit_of({"user", "add", "alice", "--colour", "red"}).text,
            "voicechan-server: not expected: --colour red (--help tells more)\n");
}

TEST(CommandLineTest, PacingWindowIsInMilliseconds) {
  EXPECT_EQ(parse({"serve"}).server.hub.pacing_window, std::chrono::milliseconds(5));
  EXPECT_EQ(parse({"serve", "--pacing-window", "0"}).server.hub.pacing_window,
            std::chrono::milliseconds(0));
  EXPECT_EQ(parse({"serve", "--pacing-window", "20"}).server.hub.pacing_window,
            std::chrono::milliseconds(20));
  EXPECT_EQ(exit_of({"serve", "--pacing-window", "1001"}).status, 2);
}

TEST(CommandLineTest, ResumeWindowIsInSecondsAndMayBeZero) {
  EXPECT_EQ(parse({"serve"}).server.hub.resume_window, 30s);
  EXPECT_EQ(parse({"serve", "--resume-window", "0"}).server.hub.resume_window, 0ms);
  EXPECT_EQ(parse({"serve", "--resume-window", "1.5"}).server.hub.resume_window, 1500ms);
}

TEST(CommandLineTest, DrainSpreadIsLessThanTheDeadline) {
  EXPECT_EQ(parse({"serve"}).server.drain_spread, std::nullopt);
  EXPECT_EQ(parse({"serve", "--drain-spread", "0"}).server.drain_spread, 0ms);
  EXPECT_EQ(parse({"serve", "--drain-spread", "8.5", "--drain-timeout", "9"}).server.drain_spread,
            8500ms);
  EXPECT_THAT(exit_of({"serve", "--drain-spread", "9"}).text, HasSubstr("--drain-timeout"));
}

TEST(CommandLineTest, HelpIsNoError) {
  const CommandLineExit exit = exit_of({"serve", "--help"});
  EXPECT_EQ(exit.status, 0);
  EXPECT_THAT(exit.text, HasSubstr("--listen"));
}

TEST(CommandLineTest, AllowedOriginsAreBroughtToOneForm) {
  const auto allowed = parse({"serve", "--allowed-origin", "HTTPS://App.example:443",
                              "--allowed-origin", "http://localhost:3000"})
                           .server.origins.allowed;
  EXPECT_THAT(allowed, ::testing::ElementsAre("https://app.example", "http://localhost:3000"));
  EXPECT_TRUE(parse({"serve"}).server.origins.allowed.empty());
  EXPECT_FALSE(parse({"serve"}).server.origins.allow_loopback);
  EXPECT_TRUE(parse({"serve", "--try"}).server.origins.allow_loopback);
}

TEST(CommandLineTest, LargeDefaultsAreWrittenOut) {
  EXPECT_THAT(exit_of({"serve", "--help"}).text, HasSubstr("--byte-rate N=268435456 "));
}

TEST(CommandLineTest, TheVersionIsNoError) {
  const CommandLineExit exit = exit_of({"--version"});
  EXPECT_EQ(exit.status, 0);
  EXPECT_THAT(exit.text, ::testing::StartsWith("voicechan-server "));
}

TEST(CommandLineTest, ServeHasDefaults) {
  const CommandLine line = parse({"serve"});
  EXPECT_EQ(line.command, CommandLine::Command::serve);
  EXPECT_EQ(line.store.database, "voicechan.db");
  EXPECT_EQ(line.server.listen_address, "127.0.0.1");
  EXPECT_EQ(line.server.listen_port, 8000);
  EXPECT_FALSE(line.server.allow_query_token);
  EXPECT_EQ(line.log_level, spdlog::level::info);
}

TEST(CommandLineTest, ListensOnAnIpv6Address) {
  const CommandLine line = parse({"serve", "--listen", "[::1]:0"});
  EXPECT_EQ(line.server.listen_address, "::1");
  EXPECT_EQ(line.server.listen_port, 0);
}

TEST(CommandLineTest, TakesSecondsWithAFraction) {
  EXPECT_EQ(parse({"serve", "--write-timeout", "1.5"}).server.deadlines.write, 1500ms);
}

TEST(CommandLineTest, ARateOfZeroSwitchesItOff) {
  EXPECT_EQ(parse({"serve", "--signaling-rate", "0"}).server.hub.signaling_messages_per_second, 0);
  EXPECT_EQ(parse({"serve", "--room-change-rate", "0"}).server.hub.room_changes_per_second, 0);
}

TEST(CommandLineTest, TakesALogLevel) {
  EXPECT_EQ(parse({"serve", "--log-level", "error"}).log_level, spdlog::level::err);
  EXPECT_EQ(parse({"serve", "--log-level", "warn"}).log_level, spdlog::level::warn);
}

TEST(CommandLineTest, TryAllowsQueryTokensAndKeepsNothing) {
  const CommandLine line = parse({"serve", "--try"});
  EXPECT_TRUE(line.is_try);
  EXPECT_TRUE(line.server.allow_query_token);
  EXPECT_EQ(line.store.database, ":memory:");
}

TEST(CommandLineTest, TryKeepsADatabaseThatIsNamed) {
  EXPECT_EQ(parse({"serve", "--try", "--db", "file"}).store.database, "file");
}

TEST(CommandLineTest, TakesAFileOfIceServers) {
  EXPECT_EQ(parse({"serve"}).server.ice_file, "");
  EXPECT_EQ(parse({"serve", "--ice-config", "file"}).server.ice_file, "file");
}

TEST(CommandLineTest, TakesAFileWithTheOperatorsKey) {
  EXPECT_EQ(parse({"serve"}).server.operator_key_file, "");
  EXPECT_EQ(parse({"serve", "--operator-key-file", "file"}).server.operator_key_file, "file");
}

TEST(CommandLineTest, ThereAreNoJwtsByDefault) {
  EXPECT_EQ(parse({"serve"}).server.jwt.jwks_file, "");
}

TEST(CommandLineTest, JwtOptionsHaveDefaults) {
  const JwtOptions jwt = parse({"serve", "--jwt-jwks", "file"}).server.jwt;
  EXPECT_EQ(jwt.jwks_file, "file");
  EXPECT_EQ(jwt.algorithms.size(), 4u);
  EXPECT_EQ(jwt.claims.leeway, 30s);
  EXPECT_EQ(jwt.claims.issuer, "");
  EXPECT_TRUE(jwt.claims.audiences.empty());
  EXPECT_EQ(jwt.subject, JwtSubject::username);
  EXPECT_FALSE(jwt.create_users);
}

TEST(CommandLineTest, TakesJwtOptions) {
  const JwtOptions jwt =
      parse({"serve", "--jwt-jwks", "file", "--jwt-issuer", "i", "--jwt-audience", "a",
             "--jwt-audience", "b", "--jwt-algorithms", "ES256,EdDSA", "--jwt-leeway", "0",
             "--jwt-subject", "id", "--max-jwt-bytes", "1000"})
          .server.jwt;
  EXPECT_EQ(jwt.claims.issuer, "i");
  EXPECT_EQ(jwt.claims.audiences, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(jwt.algorithms, (std::vector{JwtAlgorithm::es256, JwtAlgorithm::eddsa}));
  EXPECT_EQ(jwt.claims.leeway, 0s);
  EXPECT_EQ(jwt.subject, JwtSubject::id);
  EXPECT_EQ(jwt.max_token_bytes, 1000u);
}

TEST(CommandLineTest, TokenCommandsTakeAnIdATimeAndADatabase) {
  using Command = CommandLine::Command;
  const CommandLine line = parse({"token", "revoke", "7", "--until", "1800000000", "--db", "file"});
  EXPECT_EQ(line.command, Command::token_revoke);
  EXPECT_EQ(line.token_id, "7");
  EXPECT_EQ(line.until, 1'800'000'000);
  EXPECT_EQ(line.store.database, "file");
  EXPECT_EQ(parse({"token", "list"}).command, Command::token_list);
}

TEST(CommandLineTest, UserCommandsTakeANameAndADatabase) {
  using Command = CommandLine::Command;
  const CommandLine added = parse({"user", "add", "alice", "--db", "file"});
  EXPECT_EQ(added.command, Command::user_add);
  EXPECT_EQ(added.username, "alice");
  EXPECT_EQ(added.store.database, "file");
  EXPECT_EQ(parse({"user", "list"}).command, Command::user_list);
  EXPECT_EQ(parse({"user", "remove", "alice"}).command, Command::user_remove);
  EXPECT_EQ(parse({"user", "token", "alice"}).command, Command::user_token);
  EXPECT_EQ(parse({"user", "list"}).store.database, "voicechan.db");
}

}  // namespace
}  // namespace voicechan::server

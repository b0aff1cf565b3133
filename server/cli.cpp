#include "cli.hpp"

#include <asio/ip/address.hpp>

#include "command_line_parsing.hpp"
#include "effective_config.hpp"
#include "limit_options.hpp"
#include "option_sources.hpp"
#include "origin_policy.hpp"
#include "store_options.hpp"
#include "voicechan/redis_channel_layer.hpp"

namespace voicechan::server {
namespace {

constexpr const char* kDatabaseHelp = "The SQLite database";

CLI::Validator origin() {
  return CLI::Validator(
      [](std::string& text) {
        if (text == "*") return std::string();
        const auto parsed = parse_origin(text);
        if (!parsed) return '"' + text + "\" is no origin like https://app.example";
        text = *parsed;
        return std::string();
      },
      "");
}

/// "127.0.0.1:8000" or "[::1]:8000"
void parse_listen(const char* option, const std::string& text, std::string& listen_address,
                  std::uint16_t& listen_port) {
  const std::size_t colon = text.rfind(':');
  const auto fail = [&] {
    throw CLI::ValidationError(option, "\"" + text +
                                           "\" is not ADDR:PORT, such as 127.0.0.1:8000 or "
                                           "[::1]:8000");
  };
  if (colon == std::string::npos || colon == 0) fail();
  std::string address = text.substr(0, colon);
  if (address.front() == '[' && address.back() == ']') {
    address = address.substr(1, address.size() - 2);
  }
  asio::error_code error;
  asio::ip::make_address(address, error);
  const std::string port = text.substr(colon + 1);
  const bool is_number = !port.empty() && port.size() <= 5 &&
                         port.find_first_not_of("0123456789") == std::string::npos;
  if (error || !is_number || std::stoul(port) > 65535) fail();
  listen_address = address;
  listen_port = static_cast<std::uint16_t>(std::stoul(port));
}

/// As `redis_url`.
CLI::Validator channel_layer() {
  return CLI::Validator([](const std::string& text) { return check_channel_layer(text); }, "");
}

void add_serve_options(CLI::App& serve, CommandLine& line) {
  ServerOptions& options = line.server;
  serve
      .add_option(
          "--config", line.config_file,
          "Options in TOML, as check-config prints them; read once, not on SIGHUP. With a - before "
          "its name, the file may be missing")
      ->check(not_empty())
      ->type_name("FILE");
  serve.add_flag("--try", line.is_try,
                 "For trying it out: users alice, bob and carol with fresh keys, ready-to-paste "
                 "commands, ?token= and web pages of this machine allowed, loopback only, nothing "
                 "kept unless --db is given");
  serve
      .add_option_function<std::string>(
          "--listen",
          [&options](const std::string& text) {
            parse_listen("--listen", text, options.listen_address, options.listen_port);
          },
          "Where to listen; port 0 takes a free one")
      ->type_name("ADDR:PORT")
      ->default_str("127.0.0.1:8000");
  serve
      .add_option_function<std::string>(
          "--admin-listen",
          [&options](const std::string& text) {
            parse_listen("--admin-listen", text, options.admin_address, options.admin_port);
          },
          "Where to listen for operators, without TLS: /metrics, /health and what voicechan-server "
          "rooms, sessions and kick ask; for a network that clients do not reach")
      ->type_name("ADDR:PORT");
  add_store_options(serve, line.store, "The SQLite database, or :memory: to keep nothing")
      ->needs(serve.get_option("--redis-store"));
  add_bus_option(serve, line.redis_bus)->needs(serve.get_option("--redis-store"));
  serve
      .add_option(
          "--channel-layer", line.channel_layer,
          "Take part in the groups of a Django channel layer, RedisPubSubChannelLayer of "
          "channels_redis: redis://HOST[:PORT][/DB], or rediss:// for TLS, and perhaps "
          ",prefix=asgi,type=relay,field=NAME behind it: the layer's prefix, the type of events "
          "that are sent, and which field of an event is passed on, as JSON")
      ->check(channel_layer())
      ->type_name("URL");
  serve
      .add_option("--max-database-bytes", line.max_database_bytes,
                  "Size of the database; more is refused as on a full disk (503)")
      ->check(CLI::Range(std::uint64_t{1} << 20, std::uint64_t{1} << 44))
      ->type_name("N")
      ->group("Limits")
      ->capture_default_str();
  serve.add_option("--workers", options.workers, "Event loops; 0 means one per core")
      ->check(CLI::Range(0u, 64u))
      ->capture_default_str();
  serve
      .add_option("--blocking-threads", options.blocking_threads,
                  "Threads that write to the database: so many writes can share one commit")
      ->check(CLI::Range(1u, 256u))
      ->capture_default_str();
  auto* const certificate =
      serve
          .add_option("--tls-cert", options.tls.certificate,
                      "Speak TLS (1.2 and 1.3) with this certificate and the chain behind it, PEM; "
                      "read again on SIGHUP")
          ->check(not_empty())
          ->type_name("FILE");
  auto* const key = serve.add_option("--tls-key", options.tls.key, "The certificate's private key")
                        ->check(not_empty())
                        ->type_name("FILE");
  certificate->needs(key);
  key->needs(certificate);
  auto* const trusted_proxy =
      serve
          .add_option_function<std::vector<std::string>>(
              "--trusted-proxy",
              [&options](const std::vector<std::string>& networks) {
                for (const std::string& text : networks) {
                  const auto network = Network::parse(text);
                  if (!network) {
                    throw CLI::ValidationError("--trusted-proxy",
                                               "\"" + text + "\" is not ADDR or ADDR/BITS");
                  }
                  options.trusted_proxies.add(*network);
                }
              },
              "A reverse proxy, or a network of such, whose word about its clients' addresses is "
              "taken; may be given several times")
          ->type_name("CIDR");
  serve
      .add_option_function<std::string>(
          "--forwarded-header",
          [&options](const std::string& name) {
            options.forwarded_field = name == name_of(ForwardedField::forwarded)
                                          ? ForwardedField::forwarded
                                          : ForwardedField::x_forwarded_for;
          },
          "Where trusted proxies say so: x-forwarded-for or forwarded (RFC 7239)")
      ->check(CLI::IsMember({"x-forwarded-for", "forwarded"}, CLI::ignore_case))
      ->type_name("NAME")
      ->default_str("x-forwarded-for");
  serve
      .add_flag("--proxy-protocol", options.proxy_protocol,
                "Connections begin with a PROXY protocol header (v1 or v2); those that do not come "
                "from a --trusted-proxy are refused")
      ->needs(trusted_proxy);
  serve.add_flag("--allow-query-token", options.allow_query_token,
                 "Accept a WebSocket's key as ?token=KEY too (URLs end up in logs of proxies)");
  serve
      .add_option("--allowed-origin", options.origins.allowed,
                  "Web pages of this origin may use the server, beside those of its own host: "
                  "https://app.example, or * for any; may be given several times")
      ->transform(origin())
      ->allow_extra_args(false)
      ->take_all()
      ->type_name("ORIGIN");
  serve
      .add_option("--www", options.www_directory,
                  "Show the web pages of this folder at /; they are read at the start")
      ->check(not_empty())
      ->type_name("DIR");
  serve
      .add_option("--ice-config", options.ice_file,
                  "STUN and TURN servers for clients, JSON; it is read again on change")
      ->check(not_empty())
      ->type_name("FILE");
  serve
      .add_option("--operator-key-file", options.operator_key_file,
                  "Who presents the key in it may see what happened in any signaling room, and use "
                  "/admin/ of --admin-listen")
      ->check(not_empty())
      ->type_name("FILE");
  serve
      .add_option_function<std::string>(
          "--log-level",
          [&line](const std::string& name) { line.log_level = spdlog::level::from_str(name); },
          "debug, info, warn, error or off")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}))
      ->type_name("LEVEL")
      ->default_str("info");
  serve
      .add_option_function<std::string>(
          "--log-format",
          [&line](const std::string& name) {
            line.log_format = name == "json" ? LogFormat::json : LogFormat::text;
          },
          "text, or json: an object a line with time, level and message")
      ->check(CLI::IsMember({"text", "json"}))
      ->type_name("FORMAT")
      ->default_str("text");
  add_limit_options(serve, options);
}

void add_jwt_options(CLI::App& serve, JwtOptions& jwt) {
  const std::string group = "JWT";
  CLI::Option* const keys =
      serve.add_option("--jwt-jwks", jwt.jwks_file,
                       "Accept JWTs signed by a key of this JWK Set; it is read again on change");
  keys->check(not_empty())->type_name("FILE")->group(group);
  const auto add = [&](CLI::Option* option) { return option->needs(keys)->group(group); };
  add(serve.add_option("--jwt-issuer", jwt.claims.issuer, "What iss must be; default: anything"))
      ->check(not_empty())
      ->type_name("TEXT");
  add(serve.add_option(
          "--jwt-audience", jwt.claims.audiences,
          "What aud must name, one of them if given several times; default: there must "
          "be no aud"))
      ->check(not_empty())
      ->type_name("TEXT")
      ->allow_extra_args(false)
      ->take_all();
  add(serve.add_option_function<std::vector<std::string>>(
          "--jwt-algorithms",
          [&jwt](const std::vector<std::string>& names) {
            jwt.algorithms.clear();
            for (const std::string& name : names) {
              for (const JwtAlgorithm algorithm : JwtOptions().algorithms) {
                if (name == to_string(algorithm)) jwt.algorithms.push_back(algorithm);
              }
            }
          },
          "Keys of others are not used; the type of a key decides which one is its"))
      ->check(CLI::IsMember({"RS256", "ES256", "EdDSA", "HS256"}))
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("LIST")
      ->default_str("RS256,ES256,EdDSA,HS256");
  add(serve.add_option_function<std::int64_t>(
          "--jwt-leeway",
          [&jwt](std::int64_t seconds) { jwt.claims.leeway = std::chrono::seconds(seconds); },
          "How far the clocks of issuer and server may be apart, for exp and nbf"))
      ->check(CLI::Range(0, 3600))
      ->type_name("SECONDS")
      ->default_str(std::to_string(jwt.claims.leeway.count()));
  add(serve.add_option_function<std::string>(
          "--jwt-subject",
          [&jwt](const std::string& name) {
            jwt.subject = name == "id" ? JwtSubject::id : JwtSubject::username;
          },
          "What sub is: a user's username, or his id"))
      ->check(CLI::IsMember({"username", "id"}))
      ->type_name("username|id")
      ->default_str("username");
  add(serve.add_flag("--jwt-create-users", jwt.create_users,
                     "Create the user whom sub names if he is not there"));
  add(serve.add_option("--max-jwt-bytes", jwt.max_token_bytes, "A longer JWT is refused (401)"))
      ->check(CLI::Range(std::size_t{64}, std::size_t{1} << 20))
      ->type_name("N")
      ->group("Limits")
      ->capture_default_str();
}

void add_token_commands(CLI::App& token, CommandLine& line) {
  CLI::App* revoke = token.add_subcommand("revoke", "Refuse a JWT and close its WebSockets");
  revoke->add_option("JTI", line.token_id, "The token's jti")->required();
  revoke
      ->add_option("--until", line.until,
                   "When the token expires (its exp); default: a year from now")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{253'402'300'799}))
      ->type_name("UNIX_SECONDS");
  add_store_options(*revoke, line.store, kDatabaseHelp);
  revoke->callback([&line] { line.command = CommandLine::Command::token_revoke; });
  CLI::App* list = token.add_subcommand("list", "Print all revoked, one JSON object a line");
  add_store_options(*list, line.store, kDatabaseHelp);
  list->callback([&line] { line.command = CommandLine::Command::token_list; });
}

void add_user_commands(CLI::App& user, CommandLine& line) {
  const auto add = [&](const char* name, const char* help, CommandLine::Command command,
                       bool has_name) {
    CLI::App* sub = user.add_subcommand(name, help);
    if (has_name) sub->add_option("NAME", line.username, "The user's name")->required();
    add_store_options(*sub, line.store, kDatabaseHelp);
    sub->callback([&line, command] { line.command = command; });
  };
  add("add", "Create a user; prints {\"id\",\"username\",\"token\"}",
      CommandLine::Command::user_add, true);
  add("list", "Print all users, one JSON object a line", CommandLine::Command::user_list, false);
  add("remove", "Remove a user; his key ends", CommandLine::Command::user_remove, true);
  add("token", "Give a user a new key; the old one ends", CommandLine::Command::user_token, true);
}

void add_admin_commands(CLI::App& app, CommandLine& line) {
  AdminCommand& admin = line.admin;
  const auto add = [&](const char* name, const char* help, CommandLine::Command command) {
    CLI::App* const sub = app.add_subcommand(name, help);
    sub->add_option_function<std::string>(
           "--admin",
           [&admin](const std::string& text) {
             parse_listen("--admin", text, admin.address, admin.port);
           },
           "Where the server was told to listen for operators (--admin-listen)")
        ->type_name("ADDR:PORT")
        ->default_str("127.0.0.1:8001");
    sub->add_option("--operator-key-file", admin.key_file, "The file that serve was given, too")
        ->check(not_empty())
        ->type_name("FILE")
        ->required();
    sub->add_flag("--json", admin.is_json, "Print one JSON object a line");
    sub->callback([&line, command] { line.command = command; });
    return sub;
  };
  add("rooms", "List rooms of a running server", CommandLine::Command::rooms);
  CLI::App* const sessions =
      add("sessions", "List WebSockets of a running server", CommandLine::Command::sessions);
  sessions->add_option("--room", admin.room, "Only those in this room")
      ->check(not_empty())
      ->type_name("NAME");
  sessions->add_option("--user", admin.user, "Only those of this user")
      ->check(not_empty())
      ->type_name("NAME");
  add("kick", "Close a WebSocket of a running server (4403)", CommandLine::Command::kick)
      ->add_option("ID", admin.session, "As sessions shows it")
      ->check(not_empty())
      ->required();
}

/// What the parts of the line mean together.
void complete(CommandLine& line) {
  const bool is_serve = line.command == CommandLine::Command::serve ||
                        line.command == CommandLine::Command::check_config;
  complete_store(line.store, is_serve && line.is_try);
  if (!is_serve) {
    if (line.store.database == kMemory) {
      throw CLI::ValidationError("--db", "this needs a database file, not :memory:");
    }
    return;
  }
  if (line.server.drain_spread && *line.server.drain_spread >= line.server.drain_timeout) {
    throw CLI::ValidationError("--drain-spread", "must be less than --drain-timeout");
  }
  if (line.is_try) {
    line.server.allow_query_token = true;
    line.server.origins.allow_loopback = true;
    if (!asio::ip::make_address(line.server.listen_address).is_loopback()) {
      throw CLI::ValidationError("--try", "listens on a loopback address only");
    }
  }
  if (line.server.jwt.create_users && line.server.jwt.subject == JwtSubject::id) {
    throw CLI::ValidationError("--jwt-create-users", "ids cannot be created, only usernames");
  }
}

/// Of `serve`, and of what checks its options.
void add_serve_command(CLI::App& command, CommandLine& line, CommandLine::Command which) {
  command.callback([&line, which] { line.command = which; });
  command.footer(
      "Options may also be set in the environment (VOICECHAN_MAX_CONNECTIONS=100; several values\n"
      "with commas between them) and in the TOML file of --config (max-connections = 100; several\n"
      "values as a list, flags as true or false). What is on the command line goes before the\n"
      "environment, and that before the file.\n");
  add_serve_options(command, line);
  add_jwt_options(command, line.server.jwt);
}

std::string lines_of(const std::vector<std::string>& errors) {
  std::string text;
  for (const std::string& error : errors) text += "voicechan-server: " + error + '\n';
  return text;
}

/// Takes what the environment and a file say beside the command line.
void take_sources(OptionSources& sources, CLI::App& command, CommandLine& line,
                  const char* const* environment) {
  sources.take_environment(environment);
  if (line.config_file.empty()) {
    line.config_file = value_in(environment, environment_name(*command.get_option("--config")));
  }
  if (!line.config_file.empty()) sources.take_file(line.config_file);
  sources.check_needs();
  if (!sources.errors().empty()) throw CommandLineExit{2, lines_of(sources.errors())};
  if (!line.is_try) take_default_database(environment, line.store);
  try {
    complete(line);
  } catch (const CLI::ParseError& error) {
    throw CommandLineExit{2, lines_of({sources.with_origins(error.what())})};
  }
}

/// What --try changes of the defaults of others.
void tell_other_defaults(CLI::App& command, const CommandLine& line) {
  if (!line.store.is_redis()) command.get_option("--db")->default_str(line.store.database);
  if (line.is_try) command.get_option("--allow-query-token")->default_str("true");
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv, const char* const* environment) {
  using Command = CommandLine::Command;
  CommandLine line;
  CLI::App app("Voice channels, invitations and WebRTC signaling over HTTP and WebSocket.",
               "voicechan-server");
  app.set_version_flag("--version", "voicechan-server " VOICECHAN_VERSION);
  app.require_subcommand(0, 1);  // an unknown one is then named as an unexpected argument
  CLI::App* serve = app.add_subcommand("serve", "Run the server");
  add_serve_command(*serve, line, Command::serve);
  CLI::App* check = app.add_subcommand(
      "check-config",
      "Check the options of serve and the files that they name; print what is in force as TOML");
  add_serve_command(*check, line, Command::check_config);
  CLI::App* user = app.add_subcommand("user", "Manage users; works while the server runs");
  user->require_subcommand(0, 1);
  add_user_commands(*user, line);
  CLI::App* token = app.add_subcommand("token", "Revoke JWTs; works while the server runs");
  token->require_subcommand(0, 1);
  add_token_commands(*token, line);
  CLI::App* const migrate = app.add_subcommand(
      "migrate", "Move all that a store holds into an empty one; no server may use them");
  add_migrate_options(*migrate, line.migrate_from, line.migrate_to);
  migrate->callback([&line] { line.command = Command::migrate; });
  add_admin_commands(app, line);
  OptionSources serve_sources(*serve);
  OptionSources check_sources(*check);
  parse_or_exit(
      app, argc, argv,
      [&] {
        if (app.get_subcommands().empty()) {
          throw CLI::RequiredError(
              "a command: serve, check-config, user, token, migrate, rooms, sessions or kick");
        }
        if (user->parsed() && user->get_subcommands().empty()) {
          throw CLI::RequiredError("a command: user add, list, remove or token");
        }
        if (token->parsed() && token->get_subcommands().empty()) {
          throw CLI::RequiredError("a command: token revoke or list");
        }
        if (serve->parsed()) return take_sources(serve_sources, *serve, line, environment);
        if (!check->parsed()) {
          if (user->parsed() || token->parsed()) take_store_of(environment, line.store);
          return complete(line);
        }
        take_sources(check_sources, *check, line, environment);
        tell_other_defaults(*check, line);
        line.effective_config = effective_config(*check, check_sources);
      },
      [&] {
        serve_sources.restore_needs();
        check_sources.restore_needs();
      });
  return line;
}

}  // namespace voicechan::server

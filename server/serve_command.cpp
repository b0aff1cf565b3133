#include <sys/resource.h>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <iostream>
#include <sstream>
#include <system_error>
#include <thread>
#include <variant>

#include "commands.hpp"
#include "keys.hpp"
#include "log_format.hpp"
#include "memory_trim.hpp"
#include "server.hpp"
#include "service_control.hpp"
#include "spdlog/spdlog.h"
#include "store_location.hpp"
#include "voicechan/redis_backplane.hpp"
#include "voicechan/redis_channel_layer.hpp"

namespace voicechan::server {
namespace {

/// Connections are descriptors: takes as many as the system lets us have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

std::string address_of(const asio::ip::tcp::endpoint& endpoint) {
  std::ostringstream out;
  out << endpoint;
  return out.str();
}

struct TryUser {
  Identity identity;
  std::string key;
};

/// Creates the users that are missing and gives all of them new keys: of an old one only the digest
/// is known, so it could not be shown.
Result<std::vector<TryUser>> make_try_users(Store& store) {
  std::vector<TryUser> users;
  for (const char* name : {"alice", "bob", "carol"}) {
    const auto username = Username::parse(name);
    const std::string key = make_key(system_random());
    const auto created = store.create_user(*username, digest_key(key));
    const auto user = created.error() == Errc::user_exists
                          ? store.replace_user_key(*username, digest_key(key))
                          : created;
    if (!user) return user.error();
    users.push_back({*user, key});
  }
  return users;
}

/// The page that is installed beside the binary; empty if it is not there.
std::string find_installed_pages() {
  std::error_code error;
  const auto binary = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return {};
  const auto pages = binary.parent_path().parent_path() / "share" / "voicechan" / "web";
  return std::filesystem::is_directory(pages, error) ? pages.string() : std::string();
}

void print_try_guide(const std::vector<TryUser>& users, const std::string& address, bool is_tls,
                     bool has_pages) {
  const std::string s = is_tls ? "s" : "";
  std::cout << "Try-out mode. Users and their keys:\n";
  for (const TryUser& user : users) {
    std::cout << "  " << user.identity.username << "\tid " << user.identity.id.value << '\t'
              << user.key << '\n';
  }
  if (has_pages) {
    std::cout << "\nTalk in a browser: open http" << s << "://" << address
              << "/ in two windows, and sign in\nwith a key of another user in each.\n";
  }
  const std::string& alice = users[0].key;
  const std::string& bob = users[1].key;
  const auto bob_id = users[1].identity.id.value;
  const std::string api = "http" + s + "://" + address + "/api/voice_channels/";
  const std::string json = "-H 'Content-Type: application/json' ";
  std::cout
      << "\nalice creates a voice channel, and lists all:\n"
      << "  curl -H 'Authorization: Token " << alice << "' " << json
      << "-d '{\"name\": \"General\"}' " << api << "voice_channels/\n"
      << "  curl -H 'Authorization: Token " << alice << "' " << api << "voice_channels/\n"
      << "\nbob waits for notifications; alice invites him:\n"
      << "  wscat -c 'ws" << s << "://" << address << "/ws/notifications/?token=" << bob << "'\n"
      << "  curl -H 'Authorization: Token " << alice << "' " << json
      << "-d '{\"voice_channel\": 1, \"addressee\": " << bob_id << "}' " << api << "invite/\n"
      << "\nBoth talk in a room (run one each, then type):\n"
      << "  wscat -c 'ws" << s << "://" << address << "/ws/voice/general/?token=" << alice << "'\n"
      << "  wscat -c 'ws" << s << "://" << address << "/ws/voice/general/?token=" << bob << "'\n"
      << "\nSignaling (type {\"type\":\"join\"}, then {\"type\":\"offer\",\"to\":\"<id>\"}):\n"
      << "  wscat -c 'ws" << s << "://" << address << "/ws/signaling/?token=" << alice << "'\n\n";
}

/// Why the server does not start. Who reads JSON gets it in JSON, whatever the level is.
int fail(const CommandLine& line, const std::string& reason) {
  if (line.log_format == LogFormat::json) {
    spdlog::set_level(spdlog::level::critical);
    spdlog::critical("{}", reason);
  } else {
    std::cerr << "voicechan-server: " << reason << '\n';
  }
  return 1;
}

/// Has SIGHUP read the certificate again. The files are read on this thread, no worker waits.
void reload_on_hangup(asio::signal_set& hangup, Server& server, bool is_tls) {
  hangup.async_wait([&hangup, &server, is_tls](asio::error_code error, int) {
    if (error) return;
    try {
      server.reload_tls();
      spdlog::info("SIGHUP received, {}; options stay as they are",
                   is_tls ? "the certificate was read again" : "there is no certificate to read");
    } catch (const std::exception& failure) {
      spdlog::error("SIGHUP received, going on as before: {}", failure.what());
    }
    reload_on_hangup(hangup, server, is_tls);
  });
}

/// What there must be before the server can listen.
struct Foundation {
  std::unique_ptr<Store> store;
  std::string store_id;            // of one in Redis
  std::vector<TryUser> try_users;  // if it is for trying out
  std::string error;               // why there is no store, or no users
};

void log_of_redis(RedisLogLevel level, std::string_view event) {
  spdlog::log(level == RedisLogLevel::warning ? spdlog::level::warn : spdlog::level::info, "{}",
              event);
}

Foundation lay_foundation(const CommandLine& line) {
  Foundation foundation;
  auto opening = open_store(line.store, /*may_create=*/true, line.max_database_bytes, log_of_redis);
  for (const std::string& warning : opening.warnings) spdlog::warn("{}", warning);
  if (opening.store == nullptr) {
    foundation.error = std::move(opening.error);
    return foundation;
  }
  if (line.is_try) {
    auto users = make_try_users(*opening.store);
    if (!users) {
      foundation.error = "cannot create users: " + users.error().message();
      return foundation;
    }
    foundation.try_users = std::move(*users);
  }
  foundation.store = std::move(opening.store);
  foundation.store_id = std::move(opening.store_id);
  return foundation;
}

/// The same, on a thread of its own: it may wait long for another process' lock, and signals are
/// to be heard meanwhile.
Foundation lay_foundation(const CommandLine& line, asio::io_context& io) {
  struct AtEnd {
    asio::io_context& io;
    ~AtEnd() { io.stop(); }
  };
  auto foundation = std::async(std::launch::async, [&] {
    const AtEnd at_end{io};
    return lay_foundation(line);
  });
  io.run();
  return foundation.get();
}

/// Runs `step`, and ends the process should that take longer than `patience`.
template <class Step>
void end_within(std::chrono::milliseconds patience, const char* what, Step step) {
  std::promise<void> ended;
  std::thread watch([patience, what, end = ended.get_future()] {
    if (end.wait_for(patience) == std::future_status::ready) return;
    spdlog::warn("stopped without waiting for {}", what);
    std::_Exit(0);
  });
  step();
  ended.set_value();
  watch.join();
}

/// Ends server and store. A call of the store cannot be interrupted while another process has the
/// database locked, nor can the resolver; nobody has been promised what was to be written.
void end(std::unique_ptr<Server> server, std::unique_ptr<Store> store) {
  end_within(std::chrono::milliseconds(500), "the database", [&] { server->end(); });
  end_within(std::chrono::seconds(2), "a name that is being looked up", [&] {
    server = nullptr;
    store = nullptr;
  });
  spdlog::info("stopped");
}

/// What joins this server to others of its kind; null: it is alone.
std::unique_ptr<Backplane> join_bus(const CommandLine& line, const std::string& store_id) {
  if (line.redis_bus.empty()) return nullptr;
  RedisBackplaneOptions options;
  options.bus_urls = line.redis_bus;
  options.system = store_id;
  options.store_url = line.store.redis_url;
  options.store_password_file = line.store.password_file;
  options.log = log_of_redis;
  auto opened = RedisBackplane::open(options);
  if (auto* problem = std::get_if<std::string>(&opened)) throw std::runtime_error(*problem);
  return std::get<std::unique_ptr<RedisBackplane>>(std::move(opened));
}

/// What joins this server to others; null: it is alone. Throws std::runtime_error if a URL or one
/// of its files cannot be used; a Redis server that is away is no error.
std::unique_ptr<Backplane> join_others(const CommandLine& line, const std::string& store_id) {
  auto bus = join_bus(line, store_id);
  if (line.channel_layer.empty()) return bus;
  auto opened = RedisChannelLayer::open(std::move(bus), {line.channel_layer, log_of_redis});
  if (auto* problem = std::get_if<std::string>(&opened)) throw std::runtime_error(*problem);
  return std::get<std::unique_ptr<RedisChannelLayer>>(std::move(opened));
}

}  // namespace

int run_serve(const CommandLine& line) {
  set_up_log(line.log_level, line.log_format);
  raise_descriptor_limit();
  (void)std::signal(SIGPIPE, SIG_IGN);
  asio::io_context io;
  ServiceControl control(io, line.server);
  asio::signal_set hangup(io);
  if (!line.is_try) hangup.add(SIGHUP);  // there, the terminal that is closed is to end it

  Foundation foundation = lay_foundation(line, io);
  if (!foundation.error.empty()) return fail(line, foundation.error);
  ServerOptions options = line.server;
  if (line.is_try && options.www_directory.empty()) options.www_directory = find_installed_pages();
  std::unique_ptr<Server> server;
  try {
    server = std::make_unique<Server>(options, *foundation.store,
                                      join_others(line, foundation.store_id));
  } catch (const std::runtime_error& error) {
    return fail(line, error.what());
  }
  const std::string address = address_of(server->endpoint());
  const bool is_tls = line.server.tls.is_given();
  if (const auto admin = server->admin_endpoint()) {
    std::cout << "for operators on http://" << address_of(*admin) << std::endl;
  }
  if (line.is_try) {
    print_try_guide(foundation.try_users, address, is_tls, !options.www_directory.empty());
  }
  std::cout << "listening on " << (is_tls ? "https://" : "http://") << address << std::endl;
  spdlog::info("serving on {} with {}", address, line.store.display());
  MemoryTrim trim(io);
  trim.start();
  reload_on_hangup(hangup, *server, is_tls);
  control.serve(*server);
  end(std::move(server), std::move(foundation.store));
  return 0;
}

}  // namespace voicechan::server

#include "options.hpp"

#include "payload.hpp"
#include "process_usage.hpp"
#include "server/command_line_parsing.hpp"

namespace voicechan::load {
namespace {

template <class Number>
CLI::Option* add_number(CLI::App& app, const char* name, Number& value, const char* type,
                        const char* help, double min, double max) {
  return app.add_option(name, value, help)
      ->check(between(min, max))
      ->type_name(type)
      ->capture_default_str();
}

void add_common(CLI::App& app, Options& options, const char* path_template) {
  const std::string common = "Where and how";
  Target& target = options.target;
  app.add_option_function<std::vector<std::string>>(
         "--connect",
         [&target](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) {
             const auto endpoint = find_endpoint(text);
             if (!endpoint)
               throw CLI::ValidationError("--connect", "\"" + text + "\" is not ADDR:PORT");
             target.destinations.push_back({*endpoint, text});
           }
         },
         "The server; plain ws, no TLS. Of several, which are one system, connections take turns")
      ->allow_extra_args(false)
      ->take_all()
      ->type_name("ADDR:PORT")
      ->required()
      ->group(common);
  app.add_option_function<std::string>(
         "--path",
         [&options](const std::string& path) {
           if (path.empty() || path[0] != '/' || path.find_first_of(" \r\n") != path.npos) {
             throw CLI::ValidationError("--path", "\"" + path + "\" is not an absolute path");
           }
           options.path_template = path;
         },
         "The URL's path; {room} stands for the room's name")
      ->type_name("TEMPLATE")
      ->default_str(path_template)
      ->group(common);
  app.add_option("--key", target.keys,
                 "Sent as \"Authorization: Token KEY\"; of several, connections take turns")
      ->type_name("KEY")
      ->group(common);
  app.add_option_function<std::vector<std::string>>(
         "--source-addresses",
         [&target](const std::vector<std::string>& addresses) {
           for (const std::string& text : addresses) {
             const auto address = find_local_address(text);
             if (!address) {
               throw CLI::ValidationError("--source-addresses", "\"" + text + "\" is no address");
             }
             target.sources.push_back(*address);
           }
         },
         "Local addresses that connections take in turn, as 127.0.0.1,127.0.0.2: one has no more "
         "than 28,000 ports for the same server")
      ->delimiter(',')
      ->type_name("A,B,…")
      ->group(common);
  target.connections_per_second = 2000;
  add_number(app, "--connect-rate", target.connections_per_second, "N", "Connections per second",
             0.1, 1e6)
      ->group(common);
  add_number(app, "--duration", options.duration_seconds, "SECONDS", "How long to measure", 0.05,
             1e6)
      ->group(common);
  app.add_option("--pid", options.server_pid,
                 "The server's process on this machine: also report its CPU time and memory")
      ->check(between(1, 1 << 30))
      ->type_name("PID")
      ->group(common);
  app.add_flag("--json", options.is_json, "Print one JSON object")->group(common);
}

void add_room_prefix(CLI::App& app, std::string& prefix) {
  app.add_option("--room-prefix", prefix, "Rooms are PREFIX0, PREFIX1, …")
      ->type_name("PREFIX")
      ->capture_default_str();
}

void add_warmup(CLI::App& app, double& seconds) {
  add_number(app, "--warmup", seconds, "SECONDS",
             "Load before measuring; only checked, not counted", 0, 1e6);
}

void add_relay(CLI::App& app, RelayOptions& relay) {
  add_room_prefix(app, relay.room_prefix);
  add_number(app, "--rooms", relay.rooms, "R", "Rooms", 1, 1e6);
  add_number(app, "--members", relay.members, "M", "Connections of each room", 2, 1e6);
  add_number(app, "--speakers", relay.speakers, "S", "How many of each room's members speak", 1,
             1e6);
  add_number(app, "--frame-bytes", relay.frame_bytes, "N", "Payload of a frame; 32 are its stamp",
             kStampBytes, 1 << 26);
  auto* rate = add_number(app, "--rate", relay.frames_per_second, "FPS",
                          "Frames per second of each speaker; their phases are spread", 0.01, 1e6);
  add_number(app, "--window", relay.window, "W",
             "Instead of a rate: as fast as can be, with W frames of each speaker in flight; one "
             "is done when all others in its room have it",
             1, 1e6)
      ->default_str("")
      ->excludes(rate);
  app.add_flag("--in-phase", relay.is_in_phase, "All speakers send at the same instants");
  app.add_flag("--text", relay.is_text, "Text frames, not binary ones");
  add_warmup(app, relay.warmup_seconds);
  add_number(app, "--drain", relay.drain_seconds, "SECONDS",
             "At the end, frames are lost if nothing has come for so long; 10 times that at most",
             0.05, 1e6);
  const std::string slow = "Slow readers";
  add_number(app, "--slow", relay.slow, "K",
             "So many listeners of room 0 read slowly; they have a report of their own, and their "
             "losses are no failure",
             0, 1000)
      ->group(slow);
  add_number(app, "--slow-rate", relay.slow_bytes_per_second, "BYTES_PER_S",
             "What each of them reads; 0 for nothing, then a close shows at the end only", 0, 1e9)
      ->group(slow);
  add_number(app, "--slow-rcvbuf", relay.slow_receive_buffer, "BYTES",
             "SO_RCVBUF of each; 0 leaves the system's", 0, 1 << 30)
      ->group(slow);
}

void add_idle(CLI::App& app, IdleOptions& idle) {
  add_room_prefix(app, idle.room_prefix);
  add_number(app, "--connections", idle.connections, "N", "Connections to hold", 1, 1e7);
  add_number(app, "--members", idle.members, "M", "Connections of each room", 1, 1e7);
  add_number(app, "--settle", idle.settle_seconds, "SECONDS",
             "Silence before memory is read, and again after a burst", 0, 1e6);
  add_number(app, "--burst", idle.burst, "N",
             "After connecting, each room's first member sends N messages; shows whether the "
             "server's buffers shrink again",
             0, 1e6);
  add_number(app, "--burst-bytes", idle.burst_bytes, "N", "Size of each", 1, 1 << 26);
}

void add_listen(CLI::App& app, ListenOptions& listen) {
  app.add_option("--room", listen.room, "The room's name")
      ->type_name("NAME")
      ->capture_default_str();
  add_number(app, "--max-age", listen.max_age_ms, "MS",
             "Fail if a frame is older than that when it comes", 0.001, 1e9)
      ->default_str("");
  add_number(app, "--warmup", listen.warmup_seconds, "SECONDS",
             "After connecting; what comes then is only checked, not counted", 0, 1e6);
  add_number(app, "--min-frames", listen.min_frames, "N", "Fail if fewer come", 0, 1e15);
}

void add_signaling(CLI::App& app, SignalingOptions& signaling) {
  add_number(app, "--pairs", signaling.pairs, "N", "Pairs of peers", 1, 1e6);
  add_number(app, "--window", signaling.window, "W", "Round trips of each pair in flight", 1, 1e5);
  add_number(app, "--rate", signaling.trips_per_second, "N",
             "Round trips per second of each pair; 0 for as many as the window lets. Mind the "
             "server's rate limit",
             0, 1e6);
  add_number(app, "--message-bytes", signaling.message_bytes, "B", "Size of a message", 160,
             1 << 26);
  add_warmup(app, signaling.warmup_seconds);
}

/// What the parts of the line mean together.
void check(const Options& options) {
  const RelayOptions& relay = options.relay;
  if (relay.speakers > relay.members) {
    throw CLI::ValidationError("--speakers", "there are not so many members");
  }
  if (relay.slow > relay.members - relay.speakers) {
    throw CLI::ValidationError("--slow", "there are not so many listeners");
  }
  if (relay.window > 0 && relay.slow + 1 >= relay.members) {
    throw CLI::ValidationError("--window", "needs a receiver that is not slow");
  }
  if (std::uint64_t{relay.rooms} * relay.members > 10'000'000 ||
      std::uint64_t{relay.rooms} * relay.members * relay.speakers > 100'000'000) {
    throw CLI::ValidationError("--members", "are too many in all");
  }
  if (options.server_pid != 0 && !find_process_usage(options.server_pid)) {
    throw CLI::ValidationError("--pid", "there is no such process");
  }
}

}  // namespace

Options parse_options(int argc, const char* const* argv) {
  constexpr const char* kRoomPath = "/ws/voice/{room}/";
  constexpr const char* kSignalingPath = "/ws/signaling/";
  Options options;
  CLI::App app(
      "Load on a WebSocket relay, with every delivery checked.\n"
      "Exit status: 0 all well; 1 something was lost, doubled, out of order, echoed, corrupted or "
      "closed; 2 wrong usage; 3 no connection; 130 interrupted.",
      "voicechan-load");
  app.require_subcommand(0, 1);  // an unknown one is then named as an unexpected argument
  const auto add_mode = [&](const char* name, const char* help, Options::Mode mode,
                            const char* path) {
    CLI::App* sub = app.add_subcommand(name, help);
    sub->callback([&options, mode, path] {
      options.mode = mode;
      if (options.path_template.empty()) options.path_template = path;
    });
    add_common(*sub, options, path);
    return sub;
  };
  using Mode = Options::Mode;
  add_relay(*add_mode("relay", "Speakers and listeners in rooms", Mode::relay, kRoomPath),
            options.relay);
  add_idle(
      *add_mode("idle", "Connections that do nothing, and what they cost", Mode::idle, kRoomPath),
      options.idle);
  add_listen(*add_mode("listen", "One listener in a room that another process' relay load fills",
                       Mode::listen, kRoomPath),
             options.listen);
  add_signaling(*add_mode("signaling", "Pairs of peers that send each other directed messages",
                          Mode::signaling, kSignalingPath),
                options.signaling);
  parse_or_exit(app, argc, argv, [&] {
    if (app.get_subcommands().empty()) {
      throw CLI::RequiredError("a mode: relay, idle, listen or signaling");
    }
    check(options);
  });
  return options;
}

}  // namespace voicechan::load

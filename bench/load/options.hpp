#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "dial.hpp"
#include "server/command_line_exit.hpp"

namespace voicechan::load {

struct RelayOptions {
  std::string room_prefix = "load-";
  std::uint32_t rooms = 1;
  std::uint32_t members = 2;   // of each room
  std::uint32_t speakers = 1;  // of the members
  std::size_t frame_bytes = 160;
  double frames_per_second = 50;  // of each speaker
  std::uint32_t window = 0;       // frames in flight instead of a rate, if not 0
  bool is_in_phase = false;
  bool is_text = false;
  double warmup_seconds = 1;
  double drain_seconds = 1;
  std::uint32_t slow = 0;  // listeners of room 0
  double slow_bytes_per_second = 0;
  int slow_receive_buffer = 0;
};

struct IdleOptions {
  std::string room_prefix = "idle-";
  std::uint32_t connections = 1000;
  std::uint32_t members = 2;  // of each room
  double settle_seconds = 1;
  std::uint32_t burst = 0;  // messages of the first member of each room
  std::size_t burst_bytes = 65536;
};

struct ListenOptions {
  std::string room = "load-0";
  double max_age_ms = 0;  // any, if 0
  double warmup_seconds = 0;
  std::uint64_t min_frames = 0;  // that must come
};

struct SignalingOptions {
  std::uint32_t pairs = 1;
  std::uint32_t window = 1;     // round trips in flight of each pair
  double trips_per_second = 0;  // of each pair; as fast as the window lets, if 0
  std::size_t message_bytes = 200;
  double warmup_seconds = 1;
};

struct Options {
  enum class Mode { relay, idle, listen, signaling };
  Mode mode = Mode::relay;
  Target target;
  std::string path_template;  // "{room}" stands for the room
  double duration_seconds = 10;
  pid_t server_pid = 0;
  bool is_json = false;
  RelayOptions relay;
  IdleOptions idle;
  ListenOptions listen;
  SignalingOptions signaling;
};

/// Throws CommandLineExit.
Options parse_options(int argc, const char* const* argv);

}  // namespace voicechan::load

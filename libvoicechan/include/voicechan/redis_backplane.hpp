#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "voicechan/backplane.hpp"
#include "voicechan/export.hpp"
#include "voicechan/redis_log.hpp"

namespace voicechan {

/// Where a `RedisBackplane` finds the others.
struct RedisBackplaneOptions {
  /// The servers of the bus: `redis://[[user]:password@]host[:port][/database][?…]` or `rediss`.
  /// Each room is on two of them. All nodes must name the same ones.
  std::vector<std::string> bus_urls;
  /// Of those that use the same servers for the bus, nodes of the same system hear each other: up
  /// to 32 letters and digits, best `RedisOpening::store_id`. Its topics begin with `vc:<system>:`.
  std::string system;
  /// The server that has the nodes' leases. Empty: there are none, and what a node had that was
  /// lost is forgotten only when it said goodbye; for tests.
  std::string store_url;
  /// The password for it is the first line of this file. Empty: it is in the URL.
  std::string store_password_file;
  /// Told when a server, or another node, is lost or comes back. On a thread of the backplane.
  RedisLog log;
};

/// How a RedisBackplane is.
struct RedisBackplaneStatus {
  /// What this node says is heard by others.
  bool is_bus_reachable = false;
  /// Servers that are not well, and why: without password. Empty: all is well.
  std::vector<std::string> problems;
  std::uint64_t groups = 0;              ///< that this node takes part in
  std::uint64_t published = 0;           ///< messages to the bus
  std::uint64_t received = 0;            ///< messages from the bus, own ones included
  std::uint64_t dropped_media = 0;       ///< audio that could not be sent in time
  std::uint64_t late_frames = 0;         ///< audio that came too late
  std::uint64_t unknown_messages = 0;    ///< of nodes of a later version
  std::uint64_t malformed_messages = 0;  ///< of somebody else
};

/// Joins the hubs of many processes over Redis: rooms, signaling, notifications and rosters are
/// shared. A frame is published once, only while another node has members of its room, and comes to
/// each node once. Peers enter a room when the bus has brought back that they do, so that all nodes
/// agree who came first; while no server of the bus can be reached they enter within a second, and
/// each node has its own part of the room. `Peer::order` is the same on all nodes in any case. If a
/// node may have been given up by others, as it was paused, its peers and those of others leave for
/// each other before they come again.
///
/// It has a thread of its own for the bus. Frames of one hub to one group arrive in order; to
/// several groups only if the bus is one server. Members of groups that are no voice rooms are
/// counted on each node alone. Thread-safe. Must outlive its ports.
class VOICECHAN_API RedisBackplane final : public Backplane {
 public:
  /// Fails with a sentence that names no password: a URL or one of its files cannot be used. It
  /// does not wait for the servers: until they are there, this node is alone.
  static std::variant<std::unique_ptr<RedisBackplane>, std::string> open(
      const RedisBackplaneOptions& options);

  /// What `open` would fail with; empty: nothing. Reads the files, and starts nothing.
  static std::string check(const RedisBackplaneOptions& options);

  /// Tells the other nodes that this one goes.
  ~RedisBackplane() override;

  Result<std::unique_ptr<BackplanePort>> attach(BackplaneReceiver& receiver,
                                                std::function<void()> wake) override;
  void publish(std::string_view group, const Frame& frame) override;
  Preparation prepare(std::string_view group, std::function<void()> ready) override;
  bool watch_gaps(std::function<void(std::string_view group)> on_gap) override;
  Presence& presence() noexcept override;
  VoicePresence& voice_presence() noexcept override;

  /// As `publish`, to the hubs of this process alone.
  void publish_here(std::string_view group, const Frame& frame);

  /// As it was a moment ago.
  RedisBackplaneStatus status() const;

 private:
  class Impl;
  explicit RedisBackplane(std::unique_ptr<Impl> impl) noexcept;

  std::unique_ptr<Impl> impl_;
};

}  // namespace voicechan

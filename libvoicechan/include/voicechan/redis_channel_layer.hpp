#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "voicechan/backplane.hpp"
#include "voicechan/export.hpp"
#include "voicechan/redis_log.hpp"

namespace voicechan {

/// Which one, and who is told.
struct RedisChannelLayerOptions {
  /// `URL[,prefix=TEXT][,type=NAME][,field=NAME]`: the Redis server as of `RedisStoreOptions`; the
  /// layer's prefix, "asgi" if not given; the type of events that are sent, "relay"; the member of
  /// received events whose JSON is passed on.
  std::string location;
  /// Told when the server is lost or comes back, and of events that are ignored. On a thread of the
  /// layer.
  RedisLog log;
};

/// How a RedisChannelLayer is.
struct RedisChannelLayerStatus {
  std::string problem;         ///< why the server cannot be used; empty: it can
  std::uint64_t groups = 0;    ///< that hubs have members of
  std::uint64_t sent = 0;      ///< events
  std::uint64_t dropped = 0;   ///< frames that could not be sent
  std::uint64_t received = 0;  ///< events that were passed on to hubs
  std::uint64_t ignored = 0;   ///< events that cannot be understood
};

/// What is wrong with a location, in a sentence that repeats nothing of its URL; empty: nothing.
VOICECHAN_API std::string check_channel_layer(std::string_view location);

/// A backplane that lets a Django application take part in voice rooms and notifications: it is a
/// member of the same groups, by the layer `RedisPubSubChannelLayer` of channels_redis. What the
/// hubs of this process say in voice rooms is sent to the layer, too; what others send to a group
/// of the layer comes to the hubs of this process that have members of it. Each process that hubs
/// are in has one of its own: what comes from the layer goes to no other process, and events of any
/// RedisChannelLayer are passed on by none. While the server is away there are only the hubs.
///
/// It has a thread of its own. Thread-safe. Must outlive its ports.
class VOICECHAN_API RedisChannelLayer final : public Backplane {
 public:
  /// `inner` joins the hubs: a RedisBackplane, or null for those of this process alone. Fails with
  /// a sentence that names no password. It does not wait for the server.
  static std::variant<std::unique_ptr<RedisChannelLayer>, std::string> open(
      std::unique_ptr<Backplane> inner, const RedisChannelLayerOptions& options);

  /// What `open` would fail with; empty: nothing. Reads the files, and starts nothing.
  static std::string check(const RedisChannelLayerOptions& options);

  ~RedisChannelLayer() override;

  Result<std::unique_ptr<BackplanePort>> attach(BackplaneReceiver& receiver,
                                                std::function<void()> wake) override;
  /// To hubs alone: not to the layer.
  void publish(std::string_view group, const Frame& frame) override;
  /// Ready when the server has acknowledged as well, or is away.
  Preparation prepare(std::string_view group, std::function<void()> ready) override;
  /// As of the inner one: what Django sends is kept nowhere.
  bool watch_gaps(std::function<void(std::string_view group)> on_gap) override;
  Presence& presence() noexcept override;
  VoicePresence& voice_presence() noexcept override;

  const Backplane& inner() const noexcept;

  /// As it was a moment ago.
  RedisChannelLayerStatus status() const;

 private:
  class Impl;
  explicit RedisChannelLayer(std::unique_ptr<Impl> impl) noexcept;

  std::unique_ptr<Impl> impl_;
};

}  // namespace voicechan

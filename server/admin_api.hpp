#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client_address.hpp"
#include "http_message.hpp"
#include "key_guard.hpp"
#include "metered_store.hpp"
#include "operator_key.hpp"
#include "router.hpp"
#include "service_phase.hpp"
#include "voicechan/backplane.hpp"
#include "voicechan/redis_backplane.hpp"
#include "voicechan/redis_channel_layer.hpp"

namespace voicechan::server {

class Worker;

/// What the server shows to those who operate it: the endpoints of `--admin-listen`. Thread-safe.
/// May block, but not on a worker's thread: it asks workers.
class AdminApi {
 public:
  struct Sources {
    const std::vector<std::unique_ptr<Worker>>& workers;  // do not change once it is asked
    MeteredStore& store;
    KeyGuard& key_guard;
    Backplane& backplane;
    const OperatorKey* operator_key;  // null: there is none
    const std::atomic<ServicePhase>& phase;
    std::size_t max_held_bytes;
    const RedisBackplane* cluster;           // null: this process is alone
    const RedisChannelLayer* channel_layer;  // null: there is none
  };

  /// All of them must outlive it.
  explicit AdminApi(const Sources& sources) noexcept : sources_(sources) {}

  /// Answers a request to an endpoint of `route_admin` that `answer_early` let pass.
  HttpResponse handle(const HttpRequest& request, const Route& route, const ClientAddress& address);

 private:
  HttpResponse show_metrics() const;
  HttpResponse show_health() const;
  /// The answer to one who is no operator.
  std::optional<HttpResponse> refuse(const HttpRequest& request, const ClientAddress& address);
  HttpResponse list_rooms(const Route& route) const;
  HttpResponse list_sessions(const Route& route);
  HttpResponse kick(const std::string& id);
  /// What `action(worker)` gives on the worker's thread; nothing if that does not come to it.
  template <class Action>
  auto ask(Worker& worker, Action action) const -> std::optional<decltype(action(worker))>;

  const Sources sources_;
};

}  // namespace voicechan::server

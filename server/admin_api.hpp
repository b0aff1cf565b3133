#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "client_address.hpp"
#include "http_message.hpp"
#include "key_guard.hpp"
#include "metered_store.hpp"
#include "operator_key.hpp"
#include "router.hpp"
#include "service_phase.hpp"
#include "voicechan/backplane.hpp"

namespace voicechan::server {

class Worker;

/// What the server shows to those who operate it: the endpoints of `--admin-listen`. Thread-safe.
/// May block.
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
  };

  /// All of them must outlive it.
  explicit AdminApi(const Sources& sources) noexcept : sources_(sources) {}

  /// Answers a request to an endpoint of `route_admin` that `answer_early` let pass.
  HttpResponse handle(const HttpRequest& request, const Route& route, const ClientAddress& address);

 private:
  HttpResponse show_metrics() const;

  const Sources sources_;
};

}  // namespace voicechan::server

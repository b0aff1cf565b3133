#pragma once

#include <string_view>

#include "http_message.hpp"
#include "router.hpp"
#include "service_phase.hpp"

namespace voicechan::server {

/// The answer of `/livez` or `/readyz`, from what the worker itself knows: it must come at once
/// when the database does not.
HttpResponse make_health_response(Endpoint endpoint, ServicePhase phase);

/// "ready", "out_of_service" or "draining".
std::string_view status_of(ServicePhase phase) noexcept;

/// 503 to what `phase` has no place for; the connection is to be closed behind it.
HttpResponse make_refusal_response(ServicePhase phase);

}  // namespace voicechan::server

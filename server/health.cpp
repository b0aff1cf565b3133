#include "health.hpp"

#include <string>

#include "rest_api.hpp"

namespace voicechan::server {
namespace {

/// Why not, for the phases in which that is asked.
std::string_view detail_of(ServicePhase phase) noexcept {
  return phase == ServicePhase::withdrawn ? "The server was taken out of service."
                                          : "The server is stopping.";
}

}  // namespace

std::string_view status_of(ServicePhase phase) noexcept {
  if (is_ready(phase)) return "ready";
  return phase == ServicePhase::withdrawn ? "out_of_service" : "draining";
}

HttpResponse make_health_response(Endpoint endpoint, ServicePhase phase) {
  HttpResponse response;
  if (endpoint == Endpoint::livez) {
    response.body = R"({"status":"alive"})";
  } else if (is_ready(phase)) {
    response.body = R"({"status":"ready"})";
  } else {
    response = make_refusal_response(phase);
    response.body =
        std::string("{\"status\":\"").append(status_of(phase)).append("\",\"detail\":\"");
    response.body.append(detail_of(phase)).append("\"}");
  }
  return response;
}

HttpResponse make_refusal_response(ServicePhase phase) {
  return make_unavailable_response(detail_of(phase));
}

}  // namespace voicechan::server

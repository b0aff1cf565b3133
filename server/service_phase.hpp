#pragma once

namespace voicechan::server {

/// How the server stands to those who come and to those who are there.
enum class ServicePhase {
  serving,
  withdrawn,  ///< to be left by load balancers: not ready, no new WebSockets; those there stay
  draining,   ///< on its way out: nobody new, and those there are ended in an orderly way
  ended,      ///< what is left is cut
};

/// What SIGTERM or SIGINT leads to: a drain, and at the second one the end.
constexpr ServicePhase after_stop(ServicePhase phase) noexcept {
  switch (phase) {
    case ServicePhase::serving:
    case ServicePhase::withdrawn:
      return ServicePhase::draining;
    case ServicePhase::draining:
    case ServicePhase::ended:
      break;
  }
  return ServicePhase::ended;
}

/// What SIGUSR1 leads to: out of service, or back from there or from a drain.
constexpr ServicePhase after_toggle(ServicePhase phase) noexcept {
  switch (phase) {
    case ServicePhase::serving:
      return ServicePhase::withdrawn;
    case ServicePhase::withdrawn:
    case ServicePhase::draining:
      return ServicePhase::serving;
    case ServicePhase::ended:
      break;
  }
  return ServicePhase::ended;
}

/// Whether there may be new WebSockets, and "ready" is what load balancers are told.
constexpr bool is_ready(ServicePhase phase) noexcept { return phase == ServicePhase::serving; }

/// Whether a connection made now gets anything but 503.
constexpr bool admits_connections(ServicePhase phase) noexcept {
  return phase == ServicePhase::serving || phase == ServicePhase::withdrawn;
}

}  // namespace voicechan::server

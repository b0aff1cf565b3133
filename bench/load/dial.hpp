#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "connection.hpp"
#include "endpoint.hpp"

namespace voicechan::load {

/// A server.
struct Destination {
  Endpoint endpoint;
  std::string host;  // as the Host field names it
};

/// Where to connect to, and how.
struct Target {
  std::vector<Destination> destinations;  // one at least; connections take them in turn
  std::vector<std::string> keys;          // connections take them in turn
  std::vector<Endpoint> sources;          // local addresses; connections take them in turn
  double connections_per_second = 0;
};

/// A connection that is to be opened.
struct Call {
  Connection* connection;
  std::string path;
  int receive_buffer = 0;
};

/// A connection could not be opened; says why.
struct ConnectFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Opens all, at the target's rate. False if that was interrupted. Throws ConnectFailure at the
/// first that fails.
bool connect_all(Network& network, const Target& target, const std::vector<Call>& calls);

}  // namespace voicechan::load

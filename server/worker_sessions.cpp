#include <algorithm>
#include <utility>

#include "worker.hpp"

// What operators may see of a worker's WebSockets, and do with them.

namespace voicechan::server {

std::vector<SessionView> Worker::list_sessions(std::uint64_t after, std::size_t limit,
                                               const SessionFilter& filter) {
  using Candidate = std::pair<std::uint64_t, const Connection*>;
  std::vector<Candidate> behind;
  for (const auto& connection : connections_) {
    const std::uint64_t serial = connection->protocol().session_serial();
    if (serial > after) behind.emplace_back(serial, connection.get());
  }
  std::sort(behind.begin(), behind.end());
  std::vector<SessionView> page;
  for (const auto& [serial, connection] : behind) {
    if (page.size() == limit) break;
    SessionView view = connection->protocol().view_session();
    if (filter.matches(view)) page.push_back(std::move(view));
  }
  return page;
}

std::optional<SessionView> Worker::kick_session(std::uint64_t serial) {
  const auto found = std::find_if(connections_.begin(), connections_.end(), [&](const auto& each) {
    return each->protocol().session_serial() == serial;
  });
  if (serial == 0 || found == connections_.end()) return std::nullopt;
  const auto connection = (*found)->shared_from_this();  // closing may change connections_
  SessionView view = connection->protocol().view_session();
  connection->kick();
  return view;
}

}  // namespace voicechan::server

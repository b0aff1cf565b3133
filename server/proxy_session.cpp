#include "proxy_session.hpp"

#include <utility>

#include "proxy_header.hpp"
#include "spdlog/spdlog.h"
#include "worker.hpp"

namespace voicechan::server {

ProxySession::ProxySession(Connection& connection)
    : connection_(connection),
      deadline_(connection.worker().now() + connection.worker().options().deadlines.request_head) {}

void ProxySession::on_bytes(std::uint8_t* data, std::size_t size) {
  received_.append(reinterpret_cast<const char*>(data), size);
  const ProxyHeader header = parse_proxy_header(received_);
  switch (header.status) {
    case ProxyHeader::Status::need_more:
      return;
    case ProxyHeader::Status::malformed:
      return connection_.abort("no header of the PROXY protocol");
    case ProxyHeader::Status::complete:
      break;
  }
  if (header.client) {
    spdlog::debug("a proxy passes on a connection of {}", header.client->str());
    if (!connection_.set_client_address(*header.client)) {
      connection_.worker().count_refusal(ConnectionCounts::Refusal::address_full);
      return connection_.abort("the client has too many connections");
    }
  }
  std::string unread = received_.substr(header.size);
  Connection& connection = connection_;
  connection.worker().serve(connection, std::move(unread));  // destroys this
}

MonotonicTime ProxySession::on_deadline(MonotonicTime now) {
  if (now >= deadline_) connection_.abort("no header of the PROXY protocol in time");
  return deadline_;
}

}  // namespace voicechan::server

#pragma once

#include <string>

#include "connection.hpp"

namespace voicechan::server {

/// Reads the header of the PROXY protocol that a trusted proxy begins a connection with, then hands
/// over to what the worker serves. A connection that begins with anything else is closed.
class ProxySession final : public Protocol {
 public:
  explicit ProxySession(Connection& connection);

  void on_bytes(std::uint8_t* data, std::size_t size) override;
  MonotonicTime on_deadline(MonotonicTime now) override;
  Use use() const noexcept override { return Use::idle; }
  void drain() override { connection_.finish(); }
  std::string_view name() const noexcept override { return "proxy"; }

 private:
  Connection& connection_;
  std::string received_;
  const MonotonicTime deadline_;
};

}  // namespace voicechan::server

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http_codec.hpp"
#include "router.hpp"
#include "voicechan/result.hpp"
#include "voicechan/store.hpp"

namespace voicechan::server {

/// The key a request carries in `Authorization: Token <key>` or `Authorization: Bearer <key>`;
/// nothing without one.
std::optional<std::string> find_authorization_key(const HttpRequest& request);

/// The key a WebSocket handshake carries: as above, else in an offered subprotocol
/// `voicechan.auth.<key>`, else (where allowed) in `?token=`.
std::optional<std::string> find_handshake_key(const HttpRequest& request, const Route& route,
                                              const std::vector<std::string>& subprotocols,
                                              bool allow_query_token);

/// True for a subprotocol that carries a key; it must never be echoed.
bool is_credential(std::string_view subprotocol) noexcept;

/// Finds out who presents a key. Thread-safe. May block.
class Authenticator {
 public:
  explicit Authenticator(Store& store) noexcept : store_(&store) {}

  /// Fails with `Errc::unknown_user` without a key or with a wrong one, and with errors of the
  /// store.
  Result<Identity> identify(const std::optional<std::string>& key) const;

 private:
  Store* store_;
};

}  // namespace voicechan::server

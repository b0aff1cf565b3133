#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http_codec.hpp"
#include "jwt_verifier.hpp"
#include "live_credentials.hpp"
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

/// Who comes by a connection that stays, and the credential on which it lives.
struct Admission {
  Identity user;
  std::shared_ptr<const LiveCredential> credential;
};

/// What becomes of a valid JWT whose subject is no user yet, where such are created
/// (`--jwt-create-users`).
enum class NewUsers {
  create,
  later,  ///< fails with `CredentialErrc::new_subject`: creating waits for the disk and for locks
};

/// Finds out who presents a credential: an opaque key, or, where that is configured, a JWT.
/// Thread-safe. May block.
class Authenticator {
 public:
  /// Without `jwt` there are no JWTs. Both must outlive the authenticator.
  explicit Authenticator(Store& store, JwtVerifier* jwt = nullptr) noexcept
      : store_(&store), jwt_(jwt) {}

  /// For one request. Fails with `CredentialErrc`, and with errors of the store.
  Result<Identity> identify(const std::optional<std::string>& credential,
                            NewUsers new_users = NewUsers::create) const;

  /// For a connection that stays, whose end must follow that of the credential. Fails as above.
  Result<Admission> admit(const std::optional<std::string>& credential,
                          NewUsers new_users = NewUsers::create);

  /// Looks at all credentials of live connections and marks those that are valid no more: whose key
  /// was replaced, whose user was removed, whose token is on the deny-list. One thread at a time.
  LiveCredentials::Outcome check_live_credentials();

  /// Takes new keys of JWTs if their file has changed. One thread at a time.
  void reload_keys() {
    if (jwt_ != nullptr) jwt_->reload_if_changed();
  }

 private:
  struct Evidence {
    Identity user;
    CredentialBasis basis;
  };

  Result<Evidence> examine(const std::optional<std::string>& credential, NewUsers new_users) const;
  Result<Evidence> examine_key(std::string_view key) const;
  Result<Evidence> examine_token(std::string_view token, NewUsers new_users) const;
  Result<Identity> find_subject(const std::string& subject, NewUsers new_users) const;
  Result<bool> is_valid(const CredentialBasis& basis) const;

  Store* store_;
  JwtVerifier* jwt_;
  LiveCredentials live_;
};

}  // namespace voicechan::server

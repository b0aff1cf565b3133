#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http_codec.hpp"
#include "jwt_verifier.hpp"
#include "known_credentials.hpp"
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
/// While the store cannot be asked, those that it confirmed before stay valid for a time
/// (`KnownCredentials`). Thread-safe. May block.
class Authenticator {
 public:
  /// Without `jwt` there are no JWTs. Both must outlive the authenticator. `grace` is how long the
  /// store may be away before nobody is let in any more.
  explicit Authenticator(Store& store, JwtVerifier* jwt = nullptr,
                         MonotonicTime::duration grace = std::chrono::minutes(10)) noexcept
      : store_(&store), jwt_(jwt), known_(grace) {}

  /// For one request. Fails with `CredentialErrc`, and with errors of the store.
  Result<Identity> identify(const std::optional<std::string>& credential,
                            NewUsers new_users = NewUsers::create);

  /// For a connection that stays, whose end must follow that of the credential. Fails as above.
  Result<Admission> admit(const std::optional<std::string>& credential,
                          NewUsers new_users = NewUsers::create);

  /// Looks at all credentials of live connections and marks those that are valid no more: whose key
  /// was replaced, whose user was removed, whose token is on the deny-list. One thread at a time.
  LiveCredentials::Outcome check_live_credentials();

  /// The store was asked, and what it has revoked has been looked at.
  void on_revocations_known() { known_.on_store_answered(std::chrono::steady_clock::now()); }

  /// Takes new keys of JWTs if their file has changed. One thread at a time.
  void reload_keys() {
    if (jwt_ != nullptr) jwt_->reload_if_changed();
  }

 private:
  using Evidence = CredentialEvidence;

  Result<Evidence> examine(const std::optional<std::string>& credential, NewUsers new_users);
  Result<Evidence> examine_key(const KeyDigest& key) const;
  Result<Evidence> examine_token(const JwtClaims& claims, NewUsers new_users) const;
  Result<Identity> find_subject(const std::string& subject, NewUsers new_users) const;
  Result<bool> is_valid(const CredentialBasis& basis, std::uint64_t generation);

  Store* store_;
  JwtVerifier* jwt_;
  LiveCredentials live_;
  KnownCredentials known_;
};

}  // namespace voicechan::server

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "options.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace voicechan::server {

/// A certificate with its key, ready to serve connections. Immutable, so workers share one.
class TlsContext {
 public:
  /// Why files can not be used, in words for the operator.
  class Error : public std::runtime_error {
    using std::runtime_error::runtime_error;
  };

  /// Reads a certificate chain and its private key, both in PEM. Blocks. Throws Error.
  static std::shared_ptr<const TlsContext> load(const TlsFiles& files);

  /// What is wrong with the certificate though it can be used (it has expired), or empty.
  const std::string& warning() const noexcept { return warning_; }

 private:
  friend class TlsStream;
  struct Free {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  TlsContext() = default;

  std::unique_ptr<ssl_ctx_st, Free> context_;
  std::string warning_;
};

/// The server's side of one TLS connection, between its socket and its protocol, neither of which
/// it knows: ciphertext and plaintext go in and out by calls. Once encrypted, bytes have to be sent
/// in their order, so no more should be encrypted than is about to be sent. One thread at a time.
class TlsStream {
 public:
  /// The most plaintext that one call of `encrypt` takes: one record.
  static constexpr std::size_t kMaxRecordBytes = 16 * 1024;
  /// By so much the plaintext of one call of `decrypt` can be longer than its ciphertext: the rest
  /// of a record comes with what came before.
  static constexpr std::size_t kMaxCarriedBytes = 18 * 1024;

  explicit TlsStream(const TlsContext& context);  // throws std::bad_alloc
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  enum class State : std::uint8_t {
    open,
    ended,   ///< the peer sends no more (close_notify); we still may
    failed,  ///< nothing can be encrypted or decrypted any more
  };

  /// Takes what came from the network, all of it; gives the plaintext in it, at the beginning of
  /// `plaintext`, which must have `kMaxCarriedBytes` more than `ciphertext`. An answer to the peer
  /// (handshake, alert) may be `pending` then, and `state` another.
  std::size_t decrypt(std::string_view ciphertext, std::vector<std::uint8_t>& plaintext) noexcept;

  /// The handshake is complete, nothing has failed, and `end` was not called.
  bool can_encrypt() const noexcept;
  /// Encrypts the beginning of `plaintext` to be `pending`; gives how much that is, 0 if that
  /// cannot be done.
  std::size_t encrypt(std::string_view plaintext) noexcept;

  /// Tells the peer that nothing will follow (close_notify), if it can be told.
  void end() noexcept;

  State state() const noexcept { return state_; }
  /// Why it failed; holds nothing that came from the network.
  const char* failure() const noexcept { return failure_; }

  /// Ciphertext to be sent.
  std::string_view pending() const noexcept {
    return std::string_view(pending_).substr(pending_sent_);
  }
  /// Takes note that the first `bytes` of `pending` have been sent.
  void consume(std::size_t bytes) noexcept;

 private:
  struct Free {
    void operator()(ssl_st* stream) const noexcept;
  };
  struct Bio;  // what OpenSSL reads from and writes to: unread_ and pending_

  void fail(const char* reason) noexcept;

  std::unique_ptr<ssl_st, Free> stream_;
  std::string_view unread_;
  std::string pending_;
  std::size_t pending_sent_ = 0;
  const char* failure_ = "";
  State state_ = State::open;
  bool has_received_ = false;
  bool has_ended_ = false;
};

}  // namespace voicechan::server

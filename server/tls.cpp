#include "tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <new>
#include <system_error>
#include <utility>

namespace voicechan::server {
namespace {

constexpr unsigned char kHttp11[] = "\x08http/1.1";
constexpr const char kSessionContext[] = "voicechan";
// Suites of TLS 1.2 (1.3 has no others): forward secret and authenticated encryption only.
constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
// More waits only if a peer makes us answer without reading it.
constexpr std::size_t kMaxPendingBytes = std::size_t{256} << 10;
// Kept for the next record; more is given back.
constexpr std::size_t kKeptPendingBytes = 512;
constexpr std::string_view kPlainHttpAnswer =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 44\r\n"
    "Connection: close\r\n\r\n{\"detail\":\"This port speaks HTTPS and WSS.\"}";
static_assert(kPlainHttpAnswer.substr(kPlainHttpAnswer.find('{')).size() == 44);

/// The reason of the first error that OpenSSL has noted: the later ones say where it was met.
const char* openssl_reason() noexcept {
  const unsigned long code = ERR_peek_error();
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "unknown error";
}

[[noreturn]] void fail_to_load(const std::string& what, const std::string& file,
                               const std::string& why) {
  throw TlsContext::Error("cannot use the TLS " + what + " " + file + ": " + why);
}

void check_readable(const std::string& what, const std::string& file) {
  std::FILE* const opened = std::fopen(file.c_str(), "re");
  if (opened == nullptr) fail_to_load(what, file, std::generic_category().message(errno));
  (void)std::fclose(opened);
}

/// Instead of the question for a passphrase on the terminal.
int refuse_passphrase(char*, int, int, void*) { return -1; }

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
  unsigned char* match = nullptr;
  if (SSL_select_next_proto(&match, chosen_size, kHttp11, sizeof kHttp11 - 1, offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = match;
  return SSL_TLSEXT_ERR_OK;
}

std::string validity_warning(const X509& certificate) {
  if (X509_cmp_current_time(X509_get0_notAfter(&certificate)) < 0) return "has expired";
  if (X509_cmp_current_time(X509_get0_notBefore(&certificate)) > 0) return "is not valid yet";
  return {};
}

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }

std::shared_ptr<const TlsContext> TlsContext::load(const TlsFiles& files) {
  check_readable("certificate", files.certificate);
  check_readable("key", files.key);
  ERR_clear_error();
  const std::shared_ptr<TlsContext> loaded(new TlsContext);
  loaded->context_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* const context = loaded->context_.get();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context, kTls12Ciphers) != 1) {
    throw Error(std::string("cannot set up TLS: ") + openssl_reason());
  }
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  // Clients resume by tickets; a cache would keep the sessions of those that never come again.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>(kSessionContext),
                                 sizeof kSessionContext - 1);
  SSL_CTX_set_default_passwd_cb(context, refuse_passphrase);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1) {
    fail_to_load("certificate", files.certificate,
                 std::string("no usable certificate in PEM: ") + openssl_reason());
  }
  if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    const bool is_mismatch = ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH ||
                             ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_TYPE_MISMATCH;
    fail_to_load("key", files.key,
                 is_mismatch ? "it is not the key of certificate " + files.certificate
                             : std::string("no usable private key in PEM: ") + openssl_reason());
  }
  const std::string warning = validity_warning(*SSL_CTX_get0_certificate(context));
  if (!warning.empty()) {
    loaded->warning_ = "the TLS certificate " + files.certificate + " " + warning;
  }
  return loaded;
}

/// OpenSSL's way to the outside. What it asks for beyond what has come makes it wait.
struct TlsStream::Bio {
  static int read(BIO* bio, char* data, size_t size, size_t* taken) {
    auto& unread = stream_of(bio).unread_;
    BIO_clear_retry_flags(bio);
    if (unread.empty()) {
      BIO_set_retry_read(bio);
      return 0;
    }
    *taken = unread.copy(data, size);
    unread.remove_prefix(*taken);
    return 1;
  }

  static int write(BIO* bio, const char* data, size_t size, size_t* written) {
    auto& stream = stream_of(bio);
    BIO_clear_retry_flags(bio);
    if (stream.pending().size() + size > kMaxPendingBytes) return 0;
    try {
      stream.pending_.append(data, size);
    } catch (const std::bad_alloc&) {
      return 0;
    }
    *written = size;
    return 1;
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static TlsStream& stream_of(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }

  static const BIO_METHOD* method() {
    static const std::unique_ptr<BIO_METHOD, decltype(&BIO_meth_free)> made = [] {
      BIO_METHOD* const method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "voicechan");
      if (method == nullptr) throw std::bad_alloc();
      BIO_meth_set_read_ex(method, read);
      BIO_meth_set_write_ex(method, write);
      BIO_meth_set_ctrl(method, control);
      return std::unique_ptr<BIO_METHOD, decltype(&BIO_meth_free)>(method, BIO_meth_free);
    }();
    return made.get();
  }
};

void TlsStream::Free::operator()(ssl_st* stream) const noexcept { SSL_free(stream); }

TlsStream::TlsStream(const TlsContext& context) : stream_(SSL_new(context.context_.get())) {
  BIO* const bio = stream_ == nullptr ? nullptr : BIO_new(Bio::method());
  if (bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(stream_.get(), bio, bio);  // owns it now
  SSL_set_accept_state(stream_.get());
}

std::size_t TlsStream::decrypt(std::string_view ciphertext,
                               std::vector<std::uint8_t>& plaintext) noexcept {
  if (state_ != State::open || ciphertext.empty()) return 0;
  if (!std::exchange(has_received_, true) && ciphertext[0] >= 'A' && ciphertext[0] <= 'Z') {
    fail("plain HTTP on the TLS port");
    try {
      pending_ = kPlainHttpAnswer;
    } catch (const std::bad_alloc&) {  // goes without
    }
    return 0;
  }
  unread_ = ciphertext;
  ERR_clear_error();
  std::size_t total = 0;
  for (;;) {
    std::size_t size = 0;
    if (SSL_read_ex(stream_.get(), plaintext.data() + total, plaintext.size() - total, &size) ==
        1) {
      total += size;
      continue;
    }
    switch (SSL_get_error(stream_.get(), 0)) {
      case SSL_ERROR_WANT_READ:
        break;
      case SSL_ERROR_ZERO_RETURN:
        state_ = State::ended;
        break;
      default:
        fail(openssl_reason());
    }
    unread_ = {};
    return total;
  }
}

bool TlsStream::can_encrypt() const noexcept {
  return state_ != State::failed && !has_ended_ && SSL_is_init_finished(stream_.get()) != 0;
}

std::size_t TlsStream::encrypt(std::string_view plaintext) noexcept {
  if (!can_encrypt()) return 0;
  ERR_clear_error();
  std::size_t taken = 0;
  if (SSL_write_ex(stream_.get(), plaintext.data(), std::min(plaintext.size(), kMaxRecordBytes),
                   &taken) == 1) {
    return taken;
  }
  fail(openssl_reason());
  return 0;
}

void TlsStream::end() noexcept {
  if (!can_encrypt()) return;
  has_ended_ = true;
  ERR_clear_error();
  if (SSL_shutdown(stream_.get()) < 0) fail(openssl_reason());
}

void TlsStream::consume(std::size_t bytes) noexcept {
  pending_sent_ += bytes;
  if (pending_sent_ < pending_.size()) return;
  pending_sent_ = 0;
  if (pending_.capacity() > kKeptPendingBytes) {
    pending_ = std::string();
  } else {
    pending_.clear();
  }
}

void TlsStream::fail(const char* reason) noexcept {
  state_ = State::failed;
  failure_ = reason;
}

}  // namespace voicechan::server

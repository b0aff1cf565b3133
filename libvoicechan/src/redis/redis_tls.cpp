#include "redis/redis_tls.hpp"

#include <openssl/ssl.h>

namespace voicechan::redis {

std::variant<std::shared_ptr<asio::ssl::context>, std::string> make_tls_context(
    const RedisUrl& url) {
  if (!url.is_tls) return std::shared_ptr<asio::ssl::context>();
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  std::error_code error;
  if (SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION) != 1) {
    return "cannot use TLS 1.2 for " + url.display();
  }
  context->set_verify_mode(asio::ssl::verify_peer, error);
  if (!error && url.ca_file.empty()) {
    context->set_default_verify_paths(error);
  } else if (!error) {
    context->load_verify_file(url.ca_file, error);
  }
  if (error) {
    return "cannot take the certificates of authorities for " + url.display() + " from " +
           (url.ca_file.empty() ? "the system" : url.ca_file) + ": " + error.message();
  }
  return context;
}

}  // namespace voicechan::redis

#include "keys.hpp"

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <stdexcept>

namespace voicechan::server {

std::string make_key(RandomSource& random) {
  std::array<std::uint8_t, 32> bytes;
  random.fill(bytes.data(), bytes.size());
  std::string key;
  key.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    key += kDigits[byte >> 4];
    key += kDigits[byte & 15];
  }
  return key;
}

KeyDigest digest_key(std::string_view key) {
  KeyDigest digest;
  unsigned size = 0;
  if (EVP_Digest(key.data(), key.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1 ||
      size != digest.size()) {
    throw std::runtime_error("SHA-256 is not available");
  }
  return digest;
}

}  // namespace voicechan::server

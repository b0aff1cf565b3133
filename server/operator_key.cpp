#include "operator_key.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstddef>
#include <stdexcept>

#include "keys.hpp"
#include "watched_file.hpp"

namespace voicechan::server {
namespace {

constexpr std::size_t kMinBytes = 32;
constexpr std::size_t kMaxBytes = 256;

bool is_key(std::string_view text) {
  return text.size() >= kMinBytes && text.size() <= kMaxBytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string_view first_line(std::string_view text) {
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  return text;
}

}  // namespace

std::string read_operator_key(const std::string& path) {
  WatchedFile::Content content = WatchedFile(path).read();
  const std::string_view key = first_line(content.text);
  if (content.error.empty() && !is_key(key)) {
    content.error = "it is not one line of 32 to 256 visible ASCII characters";
  }
  if (!content.error.empty()) {
    throw std::runtime_error("cannot use the operator key in " + path + ": " + content.error);
  }
  return std::string(key);
}

OperatorKey::OperatorKey(const std::string& path) : digest_(digest_key(read_operator_key(path))) {}

bool OperatorKey::matches(std::string_view key) const {
  const KeyDigest digest = digest_key(key);
  return CRYPTO_memcmp(digest.data(), digest_.data(), digest.size()) == 0;
}

}  // namespace voicechan::server

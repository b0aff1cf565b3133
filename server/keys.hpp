#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include "voicechan/model.hpp"
#include "voicechan/random.hpp"

namespace voicechan::server {

/// A new opaque key: 256 random bits as 64 hexadecimal digits, fit for headers and subprotocols.
std::string make_key(RandomSource& random);

/// SHA-256, the form in which the store knows a key.
KeyDigest digest_key(std::string_view key);

/// For maps: a digest is random as it is.
struct DigestHash {
  std::size_t operator()(const KeyDigest& digest) const noexcept {
    std::size_t hash;
    std::memcpy(&hash, digest.data(), sizeof hash);
    return hash;
  }
};

}  // namespace voicechan::server

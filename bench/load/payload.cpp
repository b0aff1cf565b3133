#include "payload.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace voicechan::load {
namespace {

constexpr std::uint64_t kMagic = 0x766f69;  // "voi"
constexpr std::uint64_t kMask56 = (std::uint64_t{1} << 56) - 1;
constexpr std::uint64_t kLow7 = 0x7f7f7f7f7f7f7f7f;
constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;
constexpr std::size_t kWord = sizeof(std::uint64_t);

/// 56 bits as 8 bytes of 7 bits.
std::uint64_t spread(std::uint64_t x) noexcept {
  x = (x & 0x00fffffff0000000) << 4 | (x & 0x000000000fffffff);
  x = (x & 0x0fffc0000fffc000) << 2 | (x & 0x00003fff00003fff);
  return (x & 0x3f803f803f803f80) << 1 | (x & 0x007f007f007f007f);
}

std::uint64_t gather(std::uint64_t x) noexcept {
  x = (x & 0x7f007f007f007f00) >> 1 | (x & 0x007f007f007f007f);
  x = (x & 0x3fff00003fff0000) >> 2 | (x & 0x00003fff00003fff);
  return (x & 0x0fffffff00000000) >> 4 | (x & 0x000000000fffffff);
}

using Words = std::array<std::uint64_t, 4>;

std::uint64_t seed_of(const Words& words) noexcept {
  std::uint64_t seed = 0;
  for (const std::uint64_t word : words) seed = (seed ^ word) * kStep;
  return seed;
}

}  // namespace

void write_payload(const Stamp& stamp, char* data, std::size_t size) noexcept {
  const Words words{spread(kMagic << 32 | stamp.run),
                    spread(std::uint64_t{stamp.room} << 28 | stamp.speaker),
                    spread(stamp.sequence & kMask56),
                    spread(static_cast<std::uint64_t>(stamp.sent_ns) & kMask56)};
  std::memcpy(data, words.data(), kStampBytes);
  std::uint64_t fill = seed_of(words);
  for (std::size_t i = kStampBytes; i < size; i += kWord, fill += kStep) {
    const std::uint64_t word = fill & kLow7;
    std::memcpy(data + i, &word, std::min(kWord, size - i));
  }
}

std::optional<Stamp> find_stamp(std::string_view payload) noexcept {
  if (payload.size() < kStampBytes) return std::nullopt;
  Words words;
  std::memcpy(words.data(), payload.data(), kStampBytes);
  std::uint64_t wrong = (words[0] | words[1] | words[2] | words[3]) & ~kLow7;
  std::uint64_t fill = seed_of(words);
  std::size_t i = kStampBytes;
  for (; i + kWord <= payload.size(); i += kWord, fill += kStep) {
    std::uint64_t word;
    std::memcpy(&word, payload.data() + i, kWord);
    wrong |= word ^ (fill & kLow7);
  }
  if (i < payload.size()) {
    const std::uint64_t word = fill & kLow7;
    if (std::memcmp(&word, payload.data() + i, payload.size() - i) != 0) return std::nullopt;
  }
  const std::uint64_t first = gather(words[0]);
  if (wrong != 0 || first >> 32 != kMagic) return std::nullopt;
  const std::uint64_t place = gather(words[1]);
  return Stamp{static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(place >> 28),
               static_cast<std::uint32_t>(place & kMaxStampIndex), gather(words[2]),
               static_cast<std::int64_t>(gather(words[3]))};
}

std::int64_t age_ns(const Stamp& stamp, std::int64_t now) noexcept {
  const auto age = static_cast<std::uint64_t>(now - stamp.sent_ns) << 8;
  return static_cast<std::int64_t>(age) >> 8;  // the sign of 56 bits
}

}  // namespace voicechan::load

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "redis/fnv1a.hpp"

namespace voicechan::redis {

/// The two instances of the bus that carry a topic, the first choice first; both the same if there
/// is one instance alone.
using TopicRanks = std::array<std::size_t, 2>;

/// Ranks instances per topic by their names alone (rendezvous hashing): every node that names them
/// alike ranks them alike, in whatever order it lists them, and an instance more or less moves no
/// topic but its own. Immutable.
class Rendezvous {
 public:
  /// At least one name.
  explicit Rendezvous(const std::vector<std::string>& names) {
    for (const auto& name : names) seeds_.push_back(hash(name, kFnvBasis));
  }

  TopicRanks rank(std::string_view topic) const noexcept {
    TopicRanks ranks{0, 0};
    std::array<std::uint64_t, 2> weights{weight(topic, 0), 0};
    for (std::size_t i = 1; i < seeds_.size(); ++i) {
      const auto candidate = weight(topic, i);
      if (candidate > weights[0]) {
        ranks = {i, ranks[0]};
        weights = {candidate, weights[0]};
      } else if (ranks[1] == ranks[0] || candidate > weights[1]) {
        ranks[1] = i;
        weights[1] = candidate;
      }
    }
    return ranks;
  }

  /// Names an instance to nodes that list it elsewhere.
  std::uint64_t seed(std::size_t instance) const noexcept { return seeds_[instance]; }

 private:
  // FNV-1a, and the finish of SplitMix64.
  static std::uint64_t hash(std::string_view text, std::uint64_t basis) noexcept {
    std::uint64_t state = fnv1a(text, basis);
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9;
    state = (state ^ state >> 27) * 0x94D049BB133111EB;
    return state ^ state >> 31;
  }
  std::uint64_t weight(std::string_view topic, std::size_t instance) const noexcept {
    return hash(topic, seeds_[instance]);
  }

  std::vector<std::uint64_t> seeds_;
};

}  // namespace voicechan::redis

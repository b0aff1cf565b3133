#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace voicechan {

/// How many letters have to be put in, left out or replaced.
inline std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

/// The one of `names` that somebody meant who wrote `wrong`; empty: none is close enough. What they
/// all begin with, `prefix`, does not make them alike.
inline std::string nearest_name(const std::string& wrong, const std::vector<std::string>& names,
                                std::string_view prefix) {
  std::string best;
  std::size_t least = 0;
  for (const std::string& name : names) {
    const std::size_t length = name.size() - prefix.size();
    const std::size_t letters = edit_distance(wrong, name);
    // Short names differ by a letter or two anyway.
    if (letters > 1 + std::min<std::size_t>(length / 6, 2)) continue;
    if (!best.empty() && letters >= least) continue;
    best = name;
    least = letters;
  }
  return best;
}

}  // namespace voicechan

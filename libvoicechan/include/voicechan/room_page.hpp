#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace voicechan {

/// How many rooms of a kind there are, and how many are in all of them together.
struct RoomTotals {
  std::size_t rooms = 0;
  std::size_t members = 0;
};

/// A room and how many are in it.
struct RoomSize {
  std::string name;
  std::size_t members = 0;
};

/// Some rooms, by name in the order of bytes.
struct RoomPage {
  std::vector<RoomSize> rooms;
  /// There are rooms behind these.
  bool has_more = false;
};

}  // namespace voicechan

#pragma once

#include <boost/json/object.hpp>
#include <cstdint>

namespace voicechan::load {

/// What a relay did wrong, each counted per receiver.
struct Faults {
  std::uint64_t lost = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t reordered = 0;
  std::uint64_t echoed = 0;     // to the speaker himself
  std::uint64_t foreign = 0;    // of another room or another run of the program
  std::uint64_t corrupted = 0;  // not what was sent, or not sent by this program
  std::uint64_t closed = 0;     // connections that the server ended

  /// All but the lost and the closed.
  bool has_wrong_frames() const noexcept {
    return duplicated + reordered + echoed + foreign + corrupted > 0;
  }
  bool is_any() const noexcept { return has_wrong_frames() || lost + closed > 0; }

  boost::json::object to_json() const {
    return {{"lost", lost},     {"duplicated", duplicated}, {"reordered", reordered},
            {"echoed", echoed}, {"foreign", foreign},       {"corrupted", corrupted},
            {"closed", closed}};
  }
};

}  // namespace voicechan::load

#include "message_text.hpp"

#include <boost/json.hpp>

namespace voicechan {

std::string quoted(std::string_view text) {
  return boost::json::serialize(boost::json::string_view(text.data(), text.size()));
}

std::string open_message(std::string_view type, std::string_view room) {
  return R"({"type":)" + quoted(type) + R"(,"room":)" + quoted(room);
}

std::string open_message(std::string_view type, std::string_view room, std::uint64_t revision) {
  return open_message(type, room) + R"(,"revision":)" + std::to_string(revision);
}

}  // namespace voicechan

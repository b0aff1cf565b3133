#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace voicechan::load {

/// The opening request; `key` may be empty.
std::string handshake_request(std::string_view host, std::string_view path, std::string_view key);

struct HandshakeAnswer {
  enum class Status { incomplete, accepted, refused };
  Status status = Status::incomplete;
  std::size_t size = 0;  // of the response, if accepted
  std::string refusal;   // the status line, or what is wrong with the response
};

/// Judges what a server has sent so far.
HandshakeAnswer read_handshake(std::string_view bytes);

/// The template with every "{room}" replaced by the percent-encoded name.
std::string path_of_room(std::string_view path_template, std::string_view room);

}  // namespace voicechan::load

#include "ice_ufrag.hpp"

#include <algorithm>
#include <cstddef>

namespace voicechan {
namespace {

constexpr std::size_t kMaxUfragBytes = 256;
constexpr std::size_t kMaxUfrags = 16;

bool is_ice_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/';
}

/// The ufrag at the beginning of a part of a JSON string, in which a slash may be escaped.
std::string ufrag_at(std::string_view text) {
  std::string ufrag;
  for (std::size_t i = 0; i < text.size() && ufrag.size() < kMaxUfragBytes; ++i) {
    if (text[i] == '\\' && text.substr(i + 1, 1) == "/") continue;
    if (!is_ice_char(text[i])) break;
    ufrag.push_back(text[i]);
  }
  return ufrag;
}

}  // namespace

std::vector<std::string> ufrags_of_description(std::string_view message) {
  constexpr std::string_view kAttribute = "a=ice-ufrag:";
  std::vector<std::string> ufrags;
  for (std::size_t i = message.find(kAttribute);
       i != std::string_view::npos && ufrags.size() < kMaxUfrags;
       i = message.find(kAttribute, i + 1)) {
    std::string ufrag = ufrag_at(message.substr(i + kAttribute.size()));
    if (std::find(ufrags.begin(), ufrags.end(), ufrag) == ufrags.end()) {
      ufrags.push_back(std::move(ufrag));
    }
  }
  return ufrags;
}

std::string ufrag_of_candidate(std::string_view message) {
  constexpr std::string_view kMember = "\"usernameFragment\"";
  constexpr std::string_view kExtension = " ufrag ";
  if (const std::size_t i = message.find(kMember); i != std::string_view::npos) {
    const std::size_t quote = message.find_first_not_of(" \t\r\n:", i + kMember.size());
    if (quote != std::string_view::npos && message[quote] == '"') {
      return ufrag_at(message.substr(quote + 1));
    }
  }
  const std::size_t i = message.find(kExtension);
  return i == std::string_view::npos ? "" : ufrag_at(message.substr(i + kExtension.size()));
}

}  // namespace voicechan

#pragma once

#include <string>
#include <string_view>
#include <vector>

// The ICE user name fragment (RFC 8839, section 5.4) tells which description a candidate belongs
// to. It is looked for in the text of a signaling message, wherever clients put it.

namespace voicechan {

/// Those that an offer or answer names: "a=ice-ufrag:<ufrag>".
std::vector<std::string> ufrags_of_description(std::string_view message);

/// The one that a candidate names, by "usernameFragment" or by its extension "ufrag"; empty: none.
std::string ufrag_of_candidate(std::string_view message);

}  // namespace voicechan

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace voicechan::bench {

/// An offer as a browser sends it: `sdp_bytes` of SDP lines, their line ends escaped as in JSON.
inline std::string make_offer(std::string_view to, std::size_t sdp_bytes) {
  constexpr std::string_view kLine =
      R"(a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n)";
  std::string offer = R"({"type":"offer","to":")";
  offer.append(to).append(R"(","sdp":"v=0\r\n)");
  for (std::size_t bytes = 0; bytes < sdp_bytes; bytes += kLine.size()) offer.append(kLine);
  return offer.append(R"(","seq":18446744073709551615})");
}

}  // namespace voicechan::bench

#include "socket_path.hpp"

#include <linux/sockios.h>
#include <linux/tcp.h>  // the C library's <netinet/tcp.h> lacks tcpi_min_rtt
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <chrono>

namespace voicechan::server {
std::size_t SocketPath::unacknowledged_bytes() noexcept {
  int bytes = 0;
  return ::ioctl(descriptor_, SIOCOUTQ, &bytes) == 0 ? static_cast<std::size_t>(bytes) : 0;
}

NetworkPath::RoundTrip SocketPath::round_trip() noexcept {
  using std::chrono::microseconds;
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(descriptor_, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return {};
  const microseconds least(info.tcpi_min_rtt);
  // As a retransmission timer is computed (RFC 6298), with 10 ms for the granularity.
  const microseconds usual(info.tcpi_rtt + 4 * info.tcpi_rttvar + 10'000);
  return {least, usual};
}

}  // namespace voicechan::server

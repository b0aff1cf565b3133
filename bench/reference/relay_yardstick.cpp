// The smallest WebSocket relay: one thread, level-triggered epoll, one recv() per readable event,
// one send() per delivery. What it spends on a delivery is what the kernel asks of any server that
// does the same without corking, so it is the yardstick for CPU per delivery; run it beside
// voicechan-server, on the same machine and under the same load.
//
// It has no users, no limits, no deadlines and no queue: what a socket does not take is dropped and
// counted. Of RFC 6455 it knows what a load generator sends; fragments, and frames of more than
// 64 KiB, end the connection.
//
// usage: relay-yardstick [--listen ADDR:PORT]

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

constexpr std::size_t kReadBytes = 64 * 1024;

enum Opcode : std::uint8_t { kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

struct Connection;
using Room = std::vector<Connection*>;

struct Connection {
  explicit Connection(int socket) : fd(socket) {}
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const int fd;
  Room* room = nullptr;  // set by the handshake
  std::size_t place = 0;
  std::string unread;  // the beginning of a request or frame whose end has not come yet
  std::string unsent;  // the end of a frame that the socket has taken in part
};

std::unordered_map<std::string, Room> rooms;
std::uint64_t deliveries = 0;
std::uint64_t drops = 0;
volatile std::sig_atomic_t is_stopping = 0;

Connection::~Connection() {
  ::close(fd);
  if (room == nullptr) return;
  (*room)[place] = room->back();
  (*room)[place]->place = place;
  room->pop_back();
}

/// How many bytes the socket took.
std::size_t send_some(int fd, const void* data, std::size_t size) {
  const ssize_t sent = ::send(fd, data, size, MSG_NOSIGNAL);
  return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

/// False if the frame was dropped.
bool send_frame(Connection& to, const std::uint8_t* frame, std::size_t size) {
  if (!to.unsent.empty()) to.unsent.erase(0, send_some(to.fd, to.unsent.data(), to.unsent.size()));
  const std::size_t sent = to.unsent.empty() ? send_some(to.fd, frame, size) : 0;
  if (sent == 0) return false;
  if (sent < size) to.unsent.assign(reinterpret_cast<const char*>(frame) + sent, size - sent);
  return true;
}

void relay(const Connection& from, const std::uint8_t* frame, std::size_t size) {
  for (Connection* member : *from.room) {
    if (member != &from) ++(send_frame(*member, frame, size) ? deliveries : drops);
  }
}

/// A client's frame as it lies in the read buffer.
struct ClientFrame {
  std::uint8_t* mask;
  std::size_t payload_bytes;
  std::size_t bytes;  // with its header
};

enum class Parse { complete, incomplete, invalid };

Parse parse_frame(std::uint8_t* data, std::size_t size, ClientFrame& frame) {
  if (size < 2) return Parse::incomplete;
  if ((data[0] & 0xF0) != 0x80 || (data[1] & 0x80) == 0) return Parse::invalid;
  const unsigned length = data[1] & 0x7Fu;
  const std::size_t length_bytes = length == 127 ? 8 : length == 126 ? 2 : 0;
  if (size < 2 + length_bytes) return Parse::incomplete;
  std::uint64_t payload_bytes = length_bytes == 0 ? length : 0;
  for (std::size_t i = 0; i < length_bytes; ++i) payload_bytes = payload_bytes << 8 | data[2 + i];
  if (payload_bytes > kReadBytes) return Parse::invalid;
  frame.mask = data + 2 + length_bytes;
  frame.payload_bytes = static_cast<std::size_t>(payload_bytes);
  frame.bytes = 2 + length_bytes + 4 + frame.payload_bytes;
  return size < frame.bytes ? Parse::incomplete : Parse::complete;
}

/// Unmasks the frame and makes it a server's, in place: the header is then 4 bytes shorter and ends
/// where the mask did. Returns where it begins.
std::uint8_t* turn_around(std::uint8_t* begin, const ClientFrame& frame) {
  std::uint8_t* const payload = frame.mask + 4;
  std::array<std::uint8_t, 4> mask{};
  std::copy_n(frame.mask, mask.size(), mask.begin());
  for (std::size_t i = 0; i < frame.payload_bytes; ++i) payload[i] ^= mask[i % 4];
  begin[1] &= 0x7F;
  std::memmove(begin + 4, begin, static_cast<std::size_t>(frame.mask - begin));
  return begin + 4;
}

/// Takes all complete frames from the data; returns how many bytes they had, or -1 if the
/// connection is over.
std::ptrdiff_t take_frames(Connection& from, std::uint8_t* const data, std::size_t size) {
  std::size_t taken = 0;
  ClientFrame frame{};
  for (;;) {
    std::uint8_t* const begin = data + taken;
    const Parse parse = parse_frame(begin, size - taken, frame);
    if (parse == Parse::invalid) return -1;
    if (parse == Parse::incomplete) return static_cast<std::ptrdiff_t>(taken);
    taken += frame.bytes;
    const auto opcode = static_cast<std::uint8_t>(begin[0] & 0x0F);
    std::uint8_t* const out = turn_around(begin, frame);
    switch (opcode) {
      case kText:
      case kBinary:
        relay(from, out, frame.bytes - 4);
        break;
      case kPing:
        out[0] = 0x80 | kPong;
        (void)send_frame(from, out, frame.bytes - 4);
        break;
      case kPong:
        break;
      case kClose:
        (void)send_frame(from, out, frame.bytes - 4);
        return -1;
      default:
        return -1;
    }
  }
}

/// The value of a field, or nothing.
std::string_view find_field(std::string_view head, std::string_view name) {
  const auto is_equal = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == b;
  };
  const auto found = std::search(head.begin(), head.end(), name.begin(), name.end(), is_equal);
  if (found == head.end()) return {};
  head.remove_prefix(static_cast<std::size_t>(found - head.begin()) + name.size());
  head = head.substr(0, head.find('\r'));
  while (!head.empty() && head.front() == ' ') head.remove_prefix(1);
  return head;
}

/// Answers the opening handshake and joins the room. The same results as of `take_frames`.
std::ptrdiff_t take_handshake(Connection& from, std::string_view data) {
  constexpr std::string_view kPath = "GET /ws/voice/";
  const auto end = data.find("\r\n\r\n");
  if (end == data.npos) return data.size() < kReadBytes ? 0 : -1;
  const std::string_view head = data.substr(0, end + 2);
  std::string accept(find_field(head, "\r\nsec-websocket-key:"));
  if (head.substr(0, kPath.size()) != kPath || accept.empty()) return -1;
  const std::string_view rest = head.substr(kPath.size());
  const std::string room(rest.substr(0, rest.find_first_of("/? \r")));

  accept += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned digest_bytes = 0;
  EVP_Digest(accept.data(), accept.size(), digest.data(), &digest_bytes, EVP_sha1(), nullptr);
  std::array<unsigned char, EVP_MAX_MD_SIZE * 2> base64{};
  EVP_EncodeBlock(base64.data(), digest.data(), static_cast<int>(digest_bytes));
  const std::string response =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      std::string(reinterpret_cast<const char*>(base64.data())) + "\r\n\r\n";
  if (send_some(from.fd, response.data(), response.size()) != response.size()) return -1;

  from.room = &rooms[room];
  from.place = from.room->size();
  from.room->push_back(&from);
  return static_cast<std::ptrdiff_t>(end + 4);
}

/// False if the connection is over.
bool on_readable(Connection& from) {
  alignas(8) static std::uint8_t buffer[2 * kReadBytes + 16];
  std::size_t size = from.unread.size();
  std::memcpy(buffer, from.unread.data(), size);
  const ssize_t received = ::recv(from.fd, buffer + size, kReadBytes, 0);
  if (received <= 0) return received < 0 && errno == EAGAIN;
  size += static_cast<std::size_t>(received);

  std::size_t taken = 0;
  if (from.room == nullptr) {
    const auto head = take_handshake(from, {reinterpret_cast<const char*>(buffer), size});
    if (head < 0) return false;
    taken = static_cast<std::size_t>(head);
  }
  if (from.room != nullptr) {
    const auto frames = take_frames(from, buffer + taken, size - taken);
    if (frames < 0) return false;
    taken += static_cast<std::size_t>(frames);
  }
  from.unread.assign(reinterpret_cast<const char*>(buffer) + taken, size - taken);
  return true;
}

void watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) std::perror("epoll_ctl");
}

int open_listener(const std::string& address) {
  const auto colon = address.rfind(':');
  sockaddr_in name{};
  name.sin_family = AF_INET;
  if (colon == address.npos ||
      ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &name.sin_addr) != 1) {
    std::fprintf(stderr, "not ADDR:PORT: %s\n", address.c_str());
    return -1;
  }
  name.sin_port = htons(static_cast<std::uint16_t>(std::strtoul(&address[colon + 1], nullptr, 10)));
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  socklen_t size = sizeof(name);
  auto* const generic = reinterpret_cast<sockaddr*>(&name);
  if (::bind(fd, generic, size) != 0 || ::listen(fd, SOMAXCONN) != 0 ||
      ::getsockname(fd, generic, &size) != 0) {
    std::perror(address.c_str());
    return -1;
  }
  std::printf("listening on http://%s:%d\n", address.substr(0, colon).c_str(),
              int{ntohs(name.sin_port)});
  std::fflush(stdout);
  return fd;
}

void serve(int listener) {
  sigset_t signals, none;
  sigemptyset(&none);
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM}) {
    sigaddset(&signals, signal);
    std::signal(signal, [](int) { is_stopping = 1; });
  }
  sigprocmask(SIG_BLOCK, &signals, nullptr);  // they come during epoll_pwait only

  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  watch(epoll, listener);
  std::unordered_map<int, Connection> connections;
  std::array<epoll_event, 256> events{};
  while (is_stopping == 0) {
    const int count = ::epoll_pwait(epoll, events.data(), int{events.size()}, -1, &none);
    for (int i = 0; i < count; ++i) {
      const int ready = events[static_cast<std::size_t>(i)].data.fd;
      if (ready != listener) {
        if (!on_readable(connections.at(ready))) connections.erase(ready);
        continue;
      }
      const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) continue;
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      connections.try_emplace(fd, fd);
      watch(epoll, fd);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string address = "127.0.0.1:8001";
  if (argc == 3 && std::string_view(argv[1]) == "--listen") {
    address = argv[2];
  } else if (argc != 1) {
    std::fprintf(stderr, "usage: %s [--listen ADDR:PORT]\n", argv[0]);
    return 2;
  }
  rlimit descriptors{};
  ::getrlimit(RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = descriptors.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &descriptors);

  const int listener = open_listener(address);
  if (listener < 0) return 1;
  serve(listener);
  std::printf("deliveries %llu, dropped %llu\n", static_cast<unsigned long long>(deliveries),
              static_cast<unsigned long long>(drops));
  return 0;
}

#include "admin_client.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/json.hpp>
#include <cerrno>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "operator_key.hpp"

namespace voicechan::server {
namespace {

namespace http = boost::beast::http;
namespace json = boost::json;

constexpr timeval kPatience{10, 0};
constexpr std::uint64_t kMaxAnswerBytes = std::uint64_t{64} << 20;

constexpr const char* kTooLate = "it does not answer in time";

/// SO_SNDTIMEO ends a connect with EINPROGRESS.
bool is_timeout(int error) noexcept {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINPROGRESS;
}

std::string detail_of(const json::object& answer) {
  if (const json::value* const detail = answer.if_contains("detail")) {
    if (detail->is_string()) return std::string(detail->get_string());
  }
  for (const auto& [field, reasons] : answer) {  // {"<field>": ["reason"]}
    const json::array* const all = reasons.if_array();
    if (all == nullptr || all->empty() || !all->front().is_string()) continue;
    return std::string(field).append(": ").append(std::string_view(all->front().get_string()));
  }
  return json::serialize(answer);
}

}  // namespace

AdminClient::AdminClient(const AdminCommand& command)
    : address_(command.address), port_(command.port), key_(read_operator_key(command.key_file)) {}

json::object AdminClient::ask(const char* method, const std::string& target) const {
  const bool is_v6 = address_.find(':') != std::string::npos;
  std::ostringstream request;
  request << method << ' ' << target << " HTTP/1.1\r\nHost: " << (is_v6 ? "[" : "") << address_
          << (is_v6 ? "]:" : ":") << port_ << "\r\nAuthorization: Bearer " << key_
          << "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  unsigned status = 0;
  const std::string body = exchange(request.str(), status);
  json::error_code error;
  const json::value answer = json::parse(body, error);
  if (error || !answer.is_object()) {
    throw std::runtime_error(address_ + ':' + std::to_string(port_) +
                             " is no --admin-listen of a voicechan-server");
  }
  if (status != 200) {
    throw std::runtime_error("refused (" + std::to_string(status) +
                             "): " + detail_of(answer.get_object()));
  }
  return answer.get_object();
}

std::string AdminClient::exchange(const std::string& request, unsigned& status) const {
  asio::io_context io;
  asio::ip::tcp::socket socket(io);
  const asio::ip::tcp::endpoint endpoint(asio::ip::make_address(address_), port_);
  const auto fail = [&](const std::string& why) {
    std::ostringstream what;
    what << "no answer from " << endpoint << ": " << why;
    throw std::runtime_error(what.str());
  };
  asio::error_code error;
  socket.open(endpoint.protocol(), error);
  if (!error) {
    for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {  // the latter is for connect, too
      (void)::setsockopt(socket.native_handle(), SOL_SOCKET, option, &kPatience, sizeof kPatience);
    }
    // Not by the socket's own connecting, which would wait for ever after a timeout.
    if (::connect(socket.native_handle(), endpoint.data(),
                  static_cast<socklen_t>(endpoint.size())) != 0) {
      if (is_timeout(errno)) fail(kTooLate);
      error.assign(errno, asio::system_category());
    }
  }
  if (!error) asio::write(socket, asio::buffer(request), error);
  if (error) fail(error.message());

  http::response_parser<http::string_body> parser;
  parser.eager(true);
  parser.body_limit(kMaxAnswerBytes);
  std::string unread;
  std::array<char, 16384> chunk{};
  while (!parser.is_done()) {
    // Not by the socket's own reading, which would wait for ever after a timeout.
    const ssize_t taken = ::recv(socket.native_handle(), chunk.data(), chunk.size(), 0);
    if (taken < 0) {
      const int reason = errno;
      fail(is_timeout(reason) ? kTooLate : std::generic_category().message(reason));
    }
    if (taken == 0) fail("it closed the connection");
    unread.append(chunk.data(), static_cast<std::size_t>(taken));
    boost::system::error_code malformed;
    while (!unread.empty() && !parser.is_done()) {
      const std::size_t used = parser.put(boost::asio::buffer(unread), malformed);
      unread.erase(0, used);
      if (malformed == http::error::need_more) break;
      if (malformed) fail("it does not speak HTTP");
      if (used == 0) break;
    }
  }
  status = parser.get().result_int();
  return parser.get().body();
}

}  // namespace voicechan::server

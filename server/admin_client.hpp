#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace voicechan::server {

/// What `rooms`, `sessions` and `kick` were told.
struct AdminCommand {
  std::string address = "127.0.0.1";  // of the server's --admin-listen
  std::uint16_t port = 8001;
  std::string key_file;
  bool is_json = false;
  std::string room;     // of sessions; empty: any
  std::string user;     // the same
  std::string session;  // of kick
};

/// Asks a server's listener for operators, one connection a question. Waits for each byte no longer
/// than some seconds. Immutable.
class AdminClient {
 public:
  /// Reads the operator's key. Throws std::runtime_error if there is none.
  explicit AdminClient(const AdminCommand& command);

  /// The JSON object that is the answer. Throw std::runtime_error with what to tell the operator if
  /// there is no answer or it is a refusal.
  boost::json::object get(const std::string& target) const { return ask("GET", target); }
  boost::json::object post(const std::string& target) const { return ask("POST", target); }

 private:
  boost::json::object ask(const char* method, const std::string& target) const;
  std::string exchange(const std::string& request, unsigned& status) const;

  const std::string address_;
  const std::uint16_t port_;
  std::string key_;
};

}  // namespace voicechan::server

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fake_transport.hpp"
#include "socket_transport.hpp"

namespace voicechan {

inline constexpr std::string_view kJoin = R"({"type":"join","room":"team","resume":true})";
inline constexpr std::string_view kFailed = R"({"type":"resume_failed","reason":)";

/// A client that counts what it gets as the message reference tells it to.
struct ResumingClient {
  /// `System` has `hub(index)` and `settle()`.
  template <class System>
  explicit ResumingClient(System& system, std::int64_t user_id = 1)
      : hub_of([&system](std::size_t index) -> Hub& { return system.hub(index); }),
        settle([&system] { system.settle(); }),
        user_number(user_id) {}

  void connect(std::size_t hub) {
    connection = std::make_unique<SocketClient>();
    connection->session = hub_of(hub).open_signaling(user(user_number), connection->transport);
  }

  void join(std::size_t hub, std::string_view text = kJoin) {
    connect(hub);
    say(std::string(text));
  }

  void resume(std::size_t hub) {
    connect(hub);
    say(R"({"type":"resume","key":")" + key + R"(","seq":)" + std::to_string(seq) + "}");
  }

  void lose() {
    connection->lose();
    connection = nullptr;
    settle();
  }

  void say(std::string text) {
    connection->send(std::move(text));
    read();
  }

  /// What has come, without changes of the roster; these are in `changes`.
  std::vector<std::string> read() {
    settle();
    connection->write();
    settle();
    std::vector<std::string> texts;
    for (std::string& text : connection->transport.take()) {
      const auto message = parse_json(text).as_object();
      const auto* const member = message.if_contains("type");
      const std::string type = member != nullptr ? member->as_string().c_str() : "";
      if (type == "joined" && message.contains("resume")) {
        id = message.at("id").as_string().c_str();
        const auto& resume = message.at("resume").as_object();
        key = resume.at("key").as_string().c_str();
        seq = resume.at("seq").to_number<std::uint64_t>();
      } else if (type != "resumed" && type != "resume_failed") {
        ++seq;
      }
      if (type.rfind("peer_", 0) == 0 || type == "updated") {
        changes.push_back(type);
      } else {
        texts.push_back(std::move(text));
      }
    }
    news.insert(news.end(), texts.begin(), texts.end());
    return texts;
  }
  /// All but changes of the roster since the last call.
  std::vector<std::string> take_news() {
    read();
    return std::exchange(news, {});
  }

  const std::function<Hub&(std::size_t)> hub_of;
  const std::function<void()> settle;
  const std::int64_t user_number;
  std::unique_ptr<SocketClient> connection;
  std::string id;
  std::string key;
  std::uint64_t seq = 0;
  std::vector<std::string> changes;
  std::vector<std::string> news;
};

inline std::string from(const ResumingClient& sender, const ResumingClient& to,
                        std::string_view rest) {
  return R"({"from":")" + sender.id + R"(","to":")" + to.id + R"(")" + std::string(rest) + "}";
}

inline std::string queued(std::string_view msg_id, std::string_view to, int expires_in) {
  const std::string text = receipt(msg_id, "queued", to);
  return text.substr(0, text.size() - 1) + R"(,"expires_in":)" + std::to_string(expires_in) + "}";
}

inline std::string resumed(const ResumingClient& client, std::uint64_t seq, int missed) {
  return R"({"type":"resumed","id":")" + client.id + R"(","seq":)" + std::to_string(seq) +
         R"(,"missed":)" + std::to_string(missed) + "}";
}

inline std::string failed(std::string_view reason) {
  return std::string(kFailed) + '"' + std::string(reason) + "\"}";
}

}  // namespace voicechan

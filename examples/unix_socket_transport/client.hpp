#pragma once

#include <asio.hpp>
#include <string>
#include <vector>

#include "connection.hpp"

/// A client that waits for the kernel, as simple programs do. Throws if the connection breaks.
class Client {
 public:
  Client(const std::string& path, const std::string& room_and_name) : socket_(context_) {
    socket_.connect({path});
    send(voicechan::FrameKind::text, room_and_name);
    receive();  // the welcome
  }

  void send(voicechan::FrameKind kind, const std::string& payload) {
    const Head head = head_of(kind, payload.size());
    asio::write(socket_, std::array{asio::buffer(head), asio::buffer(payload)});
  }

  /// Reads to the text "bye". What is heard and read is in `heard` and `texts` then.
  void receive_all() {
    while (texts.empty() || texts.back() != "bye") {
      const bool is_text = receive();
      (is_text ? texts : heard).push_back(payload_);
    }
  }

  std::vector<std::string> heard, texts;

 private:
  /// True for a text.
  bool receive() {
    Head head;
    asio::read(socket_, asio::buffer(head));
    payload_.resize(size_in(head));
    asio::read(socket_, asio::buffer(payload_));
    return head[0] == 't';
  }

  asio::io_context context_;
  Socket socket_;
  std::string payload_;
};

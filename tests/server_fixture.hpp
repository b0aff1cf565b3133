#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "keys.hpp"
#include "server.hpp"
#include "socket_client.hpp"
#include "spdlog/spdlog.h"
#include "voicechan/store.hpp"

namespace voicechan::server {

/// A server in this process, on a memory store with one user, whose key is "key".
class ServerFixture : public ::testing::Test {
 protected:
  ServerFixture() {
    // ThreadSanitizer does not see into libspdlog.so: were workers the first to log, it would take
    // the one-time construction of the default logger for a race.
    (void)spdlog::default_logger_raw();
    options_.listen_port = 0;
    options_.workers = 1;
    EXPECT_TRUE(store_->create_user(*Username::parse("alice"), digest_key("key")));
  }

  void start() { server_ = std::make_unique<Server>(options_, *store_); }

  SocketClient connect(int receive_buffer = 0) {
    return SocketClient(server_->endpoint(), receive_buffer);
  }

  /// A connection that has had an answer, so a worker has it.
  SocketClient connect_idle() {
    SocketClient client = connect();
    client.send(request("OPTIONS", "/ws/signaling/"));
    EXPECT_EQ(client.read_response().substr(0, 15), "HTTP/1.1 200 OK");
    return client;
  }

  SocketClient open_websocket(std::string_view target, int receive_buffer = 0) {
    SocketClient client = connect(receive_buffer);
    client.send(upgrade_request(target));
    EXPECT_EQ(client.read_response().substr(0, 12), "HTTP/1.1 101");
    return client;
  }

  ServerOptions options_;
  std::unique_ptr<Store> store_ = make_memory_store();
  std::unique_ptr<Server> server_;
};

}  // namespace voicechan::server

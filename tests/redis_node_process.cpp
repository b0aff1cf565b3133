#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "voicechan/hub.hpp"
#include "voicechan/redis_backplane.hpp"

// A node of a test's own that can be killed and paused: one peer in a signaling room. Prints the
// answer to its join; ends when it is killed.
// usage: redis_node_process BUS-URL STORE-URL ROOM

namespace {

class Printer final : public voicechan::Transport {
 public:
  void send(const voicechan::Frame& frame) noexcept override {
    std::printf("%s\n", frame.bytes().c_str());
    std::fflush(stdout);
  }
  bool is_congested() const noexcept override { return false; }
};

}  // namespace

int main(int argc, char** argv) {
  using namespace voicechan;
  if (argc != 4) return 2;
  RedisBackplaneOptions options;
  options.bus_urls = {argv[1]};
  options.store_url = argv[2];
  auto opened = RedisBackplane::open(options);
  if (const auto* problem = std::get_if<std::string>(&opened)) {
    std::fprintf(stderr, "%s\n", problem->c_str());
    return 1;
  }
  const auto node = std::get<0>(std::move(opened));
  auto hub = Hub::attach(*node).value();
  Printer transport;
  Session session = hub->open_signaling({UserId{9}, "process"}, transport);
  session.receive(FrameKind::text,
                  R"({"type":"join","room":")" + std::string(argv[3]) + R"(","receipts":true})");
  while (true) {
    hub->tick(std::chrono::steady_clock::now());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// A Transport of your own over Unix sockets, with Asio and one thread. Three clients on threads of
// their own talk through real sockets; one of them does not read while the first speaks: what he
// gets when he does is all text, and of the audio only what is fresh.

#include <unistd.h>

#include <algorithm>
#include <asio.hpp>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <future>
#include <iostream>
#include <string>
#include <thread>
#include <utility>

#include "client.hpp"
#include "connection.hpp"

using namespace std::chrono_literals;
using voicechan::FrameKind;

namespace {

constexpr std::size_t kSpoken = 75;  // frames of 20 ms

struct DropCounter final : voicechan::OutboxObserver {
  void on_drop(voicechan::DropReason, const voicechan::Drops& drops) noexcept override {
    frames += drops.frames;
  }
  std::size_t frames = 0;
};

void accept(asio::local::stream_protocol::acceptor& acceptor, voicechan::Hub& hub,
            const voicechan::OutboxLimits& limits, DropCounter& drops) {
  acceptor.async_accept([&](asio::error_code error, Socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      // What lies in the kernel's buffer grows old where nobody can drop it: keep that small.
      socket.set_option(asio::socket_base::send_buffer_size(4096), error);
      std::make_shared<Connection>(std::move(socket), hub, limits, drops)->read();
    }
    accept(acceptor, hub, limits, drops);
  });
}

/// What the clients do. True if they got what they should, but for how much audio was dropped:
/// that is added to `heard`.
bool talk(const std::string& path, std::size_t& heard) {
  Client alice(path, "general/alice"), bob(path, "general/bob"), carol(path, "general/carol");
  auto bobs = std::async(std::launch::async, [&] { bob.receive_all(); });
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < kSpoken; ++i) {
    const std::string number = std::to_string(100 + i);
    alice.send(FrameKind::binary, number + std::string(1000, '~'));
    if (i % 10 == 0) alice.send(FrameKind::text, texts.emplace_back("text " + number));
    std::this_thread::sleep_for(20ms);  // the pace of speech
  }
  alice.send(FrameKind::text, texts.emplace_back("bye"));
  bobs.get();
  carol.receive_all();  // only now
  heard = bob.heard.size() + carol.heard.size();
  std::cout << "of " << kSpoken << " frames bob heard " << bob.heard.size() << ", carol "
            << carol.heard.size() << '\n';
  return bob.texts == texts && carol.texts == texts &&
         std::is_sorted(carol.heard.begin(), carol.heard.end()) &&
         carol.heard.size() < bob.heard.size();
}

}  // namespace

int main() {
  const auto path = std::filesystem::temp_directory_path() /
                    ("voicechan-example-" + std::to_string(::getpid()) + ".sock");
  voicechan::InProcessBackplane backplane(1);
  const auto hub = voicechan::Hub::attach(backplane);
  if (!hub) return EXIT_FAILURE;
  const voicechan::OutboxLimits limits;  // audio waits for 200 ms at most
  DropCounter drops;
  asio::io_context io;  // ends before what its connections use
  std::filesystem::remove(path);
  asio::local::stream_protocol::acceptor acceptor(io, {path.string()});
  accept(acceptor, **hub, limits, drops);

  std::size_t heard = 0;
  auto clients = std::async(std::launch::async, [&] { return talk(path.string(), heard); });
  auto next = voicechan::MonotonicTime::max();
  while (clients.wait_for(0s) != std::future_status::ready) {
    const auto latest = std::chrono::steady_clock::now() + 100ms;
    io.run_one_until(std::min(next, latest));
    io.poll();  // a turn of the loop: all that is ready, then the hub
    next = (*hub)->tick(std::chrono::steady_clock::now());
  }
  std::filesystem::remove(path);
  try {
    const bool went_well = clients.get() && heard + drops.frames == 2 * kSpoken;
    std::cout << drops.frames << " were dropped\n";
    return went_well ? EXIT_SUCCESS : EXIT_FAILURE;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
  }
}

// A transport for whatever carries bytes: here frames with a four-byte length in front go through a
// Unix socket. Its reader sleeps for a while, so frames wait in an Outbox: audio that has become
// stale is dropped and counted, control messages all arrive.

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "voicechan/hub.hpp"
#include "voicechan/outbox.hpp"

using voicechan::MonotonicTime;

namespace {

/// The way out to a client behind a non-blocking stream socket. `now` is the host's loop time.
class StreamTransport final : public voicechan::Transport {
 public:
  StreamTransport(int fd, const voicechan::OutboxLimits& limits, const MonotonicTime& now)
      : fd_(fd), now_(&now), outbox_(limits) {}

  void send(const voicechan::Frame& frame) noexcept override {
    if (!outbox_.push(frame, *now_)) std::abort();  // too slow: a real host disconnects the client
  }
  bool is_congested() const noexcept override { return outbox_.is_congested(); }

  /// To be called at the end of a turn of the loop, and when the socket can take more.
  void write_some() {
    outbox_.drop_stale(*now_);
    while (!outbox_.is_empty() && write_front()) outbox_.pop_front();
  }

  const voicechan::Outbox& outbox() const noexcept { return outbox_; }

 private:
  /// False if the socket is full.
  bool write_front() {
    if (unwritten_.empty()) {
      const std::string& payload = outbox_.frame(0).bytes();
      for (int shift : {24, 16, 8, 0}) unwritten_ += static_cast<char>(payload.size() >> shift);
      unwritten_ += payload;
      outbox_.pin_front();  // a frame that has been begun must be finished
    }
    const auto count = ::send(fd_, unwritten_.data(), unwritten_.size(), MSG_DONTWAIT);
    if (count > 0) unwritten_.erase(0, static_cast<std::size_t>(count));
    return unwritten_.empty();
  }

  int fd_;
  const MonotonicTime* now_;
  voicechan::Outbox outbox_;
  std::string unwritten_;  // of the front frame
};

/// The way out to a client that never hears anything.
struct Silence final : voicechan::Transport {
  void send(const voicechan::Frame&) noexcept override {}
};

/// Takes a stream that `StreamTransport` wrote apart again.
std::vector<std::string> decode(const std::string& stream) {
  std::vector<std::string> frames;
  for (std::size_t at = 0; at + 4 <= stream.size(); at += 4 + frames.back().size()) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i)
      size = size << 8 | static_cast<std::uint8_t>(stream[at + i]);
    frames.push_back(stream.substr(at + 4, size));
  }
  return frames;
}

}  // namespace

int main() {
  voicechan::InProcessBackplane backplane(1);
  const auto hub = voicechan::Hub::attach(backplane);
  const auto room = voicechan::RoomName::parse("general");
  int fds[2];
  if (!hub || !room || ::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) return EXIT_FAILURE;

  MonotonicTime now = std::chrono::steady_clock::now();
  voicechan::OutboxLimits limits;
  limits.max_media_age = std::chrono::seconds(1);
  StreamTransport to_bob(fds[0], limits, now);
  Silence alice;
  auto alice_in_room = (*hub)->join_voice({{1}, "alice"}, *room, alice);
  auto bob_in_room = (*hub)->join_voice({{2}, "bob"}, *room, to_bob);
  if (!alice_in_room || !bob_in_room) return EXIT_FAILURE;

  constexpr std::uint64_t kSpoken = 10'000;  // 200 seconds of audio, and bob sleeps
  const std::string audio(500, '~');
  alice_in_room->receive(voicechan::FrameKind::text, "hello");
  for (std::uint64_t i = 0; i < kSpoken; ++i) {
    alice_in_room->receive(voicechan::FrameKind::binary, audio);
    now += std::chrono::milliseconds(20);
    to_bob.write_some();
  }
  alice_in_room->receive(voicechan::FrameKind::text, "bye");
  std::string stream;  // bob wakes up and reads
  char bytes[4096];
  for (ssize_t count = 1; count > 0 || !to_bob.outbox().is_empty();) {
    to_bob.write_some();
    count = ::recv(fds[1], bytes, sizeof bytes, MSG_DONTWAIT);
    if (count > 0) stream.append(bytes, static_cast<std::size_t>(count));
  }
  const std::vector<std::string> heard = decode(stream);
  const auto audio_frames = std::count(heard.begin(), heard.end(), audio);
  const auto dropped = to_bob.outbox().drops().frames;
  std::cout << "of " << kSpoken << " frames bob heard " << audio_frames << ", " << dropped
            << " were stale when he could read\n";
  const bool went_well = heard.front() == "hello" && heard.back() == "bye" && dropped > 0 &&
                         static_cast<std::uint64_t>(audio_frames) + dropped == kSpoken;
  return went_well ? EXIT_SUCCESS : EXIT_FAILURE;
}

// A recorder: a member of a room that writes one Ogg/Opus file per speaker. It gets the packets as
// the speakers' clients encoded them, and decodes nothing. Here alice and bob speak tones; check.py
// listens to the files. usage: recorder FOLDER

#include <opus.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "recorder.hpp"
#include "voicechan/hub.hpp"

using namespace std::chrono_literals;

namespace {

/// A client with a microphone that hears a tone, and with nobody who listens.
class Speaker final : public voicechan::Transport {
 public:
  explicit Speaker(double hertz)
      : hertz_(hertz),
        encoder_(opus_encoder_create(48'000, 1, OPUS_APPLICATION_VOIP, nullptr),
                 opus_encoder_destroy) {
    opus_encoder_ctl(encoder_.get(), OPUS_SET_BITRATE(16'000));
  }

  void send(const voicechan::Frame&) noexcept override {}

  /// The next 20 ms of the tone.
  std::string encode() {
    constexpr int kSamples = 960;
    std::vector<float> samples(kSamples);
    for (float& sample : samples)
      sample = static_cast<float>(0.5 * std::sin(2 * M_PI * hertz_ * sample_number_++ / 48'000));
    std::string packet(1276, '\0');
    const auto size = opus_encode_float(encoder_.get(), samples.data(), kSamples,
                                        reinterpret_cast<unsigned char*>(packet.data()),
                                        static_cast<opus_int32>(packet.size()));
    packet.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return packet;
  }

  voicechan::Session session;

 private:
  double hertz_;
  int sample_number_ = 0;
  std::unique_ptr<OpusEncoder, decltype(&opus_encoder_destroy)> encoder_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: recorder FOLDER\n";
    return EXIT_FAILURE;
  }
  voicechan::MonotonicTime now;  // a real host takes that of its loop
  voicechan::InProcessBackplane backplane(1);
  const auto hub = voicechan::Hub::attach(backplane);
  const auto room = voicechan::RoomName::parse("general");
  if (!hub || !room) return EXIT_FAILURE;
  Recorder recorder(argv[1], now);
  Speaker alice(440), bob(880), carol(0);
  alice.session = (*hub)->join_voice({{1}, "alice"}, *room, alice).value();
  if (!recorder.join(**hub, *room)) return EXIT_FAILURE;
  bob.session = (*hub)->join_voice({{2}, "bob"}, *room, bob).value();
  carol.session = (*hub)->join_voice({{3}, "carol"}, *room, carol).value();
  (*hub)->tick(now);
  carol.session.receive(voicechan::FrameKind::binary, "");  // all that she sends is no Opus

  std::string held_up;
  for (int turn = 0; turn < 150; ++turn, now += 20ms) {
    // Alice speaks for a second, pauses for a second, and goes on.
    if (turn / 50 != 1) alice.session.receive(voicechan::FrameKind::binary, alice.encode());
    // Bob speaks from 0.5 s to 2.5 s; two packets of his arrive at a time.
    if (turn >= 25 && turn < 125 && turn % 2 == 1) held_up = bob.encode();
    if (turn >= 25 && turn < 125 && turn % 2 == 0) {
      bob.session.receive(voicechan::FrameKind::binary, held_up);
      bob.session.receive(voicechan::FrameKind::binary, bob.encode());
    }
    (*hub)->tick(now);
    if (turn % 50 == 49) recorder.write();
  }
  std::cout << recorder.file_count() << " files\n";
  return recorder.file_count() == 2 && recorder.lost_frames() == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#include <iostream>

#include "voicechan/hub.hpp"

// The way out to a client: here it prints; yours writes to a socket.
struct Printer final : voicechan::Transport {
  explicit Printer(const char* client) : name(client) {}
  void send(const voicechan::Frame& frame) noexcept override {
    std::cout << name << " hears " << frame.bytes() << '\n';
    ++frames;
  }
  const char* name;
  int frames = 0;
};

int main() {
  voicechan::InProcessBackplane backplane(/*node=*/1);
  const auto hub = voicechan::Hub::attach(backplane);
  const auto room = voicechan::RoomName::parse("general");
  if (!hub || !room) return 1;

  Printer alice("alice"), bob("bob");
  auto alices = (*hub)->join_voice({{1}, "alice"}, *room, alice);
  auto bobs = (*hub)->join_voice({{2}, "bob"}, *room, bob);
  if (!alices || !bobs) return 1;
  alices->receive(voicechan::FrameKind::binary, "hello");  // goes to bob, not to alice
  return bob.frames == 1 && alice.frames == 0 ? 0 : 1;
}

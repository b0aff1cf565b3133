#include <cstdio>
#include <string>
#include <vector>

#include "voicechan/hub.hpp"

namespace {

class Inbox final : public voicechan::Transport {
 public:
  void send(const voicechan::Frame& frame) noexcept override { messages.push_back(frame.bytes()); }

  std::vector<std::string> messages;
};

}  // namespace

int main() {
  voicechan::InProcessBackplane backplane(1);
  auto hub = voicechan::Hub::attach(backplane);
  const auto room = voicechan::RoomName::parse("general");
  if (!hub || !room) return 1;

  Inbox alice;
  Inbox bob;
  auto speaker = (*hub)->join_voice({{1}, "alice"}, *room, alice);
  auto listener = (*hub)->join_voice({{2}, "bob"}, *room, bob);
  if (!speaker || !listener) return 1;
  speaker->receive(voicechan::FrameKind::binary, "hello");
  auto signaling = (*hub)->open_signaling({{1}, "alice"}, alice);
  signaling.receive(voicechan::FrameKind::text, R"({"type":"join"})");

  std::printf("bob heard %zu, alice was answered %zu\n", bob.messages.size(),
              alice.messages.size());
  return bob.messages == std::vector<std::string>{"hello"} && alice.messages.size() == 1 ? 0 : 1;
}

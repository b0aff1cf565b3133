// Two clients that live in memory share one hub: they talk in a voice room, then find each other by
// signaling and exchange a WebRTC offer and answer. A real host does the same with sockets.

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>

#include "voicechan/hub.hpp"

using voicechan::FrameKind;

namespace {

/// A client: what the hub sends to it is printed and kept.
class Client final : public voicechan::Transport {
 public:
  explicit Client(std::string name) : name_(std::move(name)) {}

  void send(const voicechan::Frame& frame) noexcept override {
    last_received_ = frame.bytes();
    std::cout << "  " << name_ << " receives " << last_received_ << '\n';
  }

  const std::string& last_received() const noexcept { return last_received_; }

 private:
  std::string name_;
  std::string last_received_;
};

/// The value of a member of a flat JSON object, as far as this example needs JSON.
std::string text_member(const std::string& json, const std::string& name) {
  const std::string before = "\"" + name + "\":\"";
  const auto begin = json.find(before);
  if (begin == std::string::npos) return {};
  const auto value = begin + before.size();
  return json.substr(value, json.find('"', value) - value);
}

bool talk(voicechan::Hub& hub) {
  const auto room = voicechan::RoomName::parse("general");
  if (!room) return false;

  Client alice("alice");
  Client bob("bob");
  auto alice_in_room = hub.join_voice({{1}, "alice"}, *room, alice);
  auto bob_in_room = hub.join_voice({{2}, "bob"}, *room, bob);
  if (!alice_in_room || !bob_in_room) return false;  // the room is full

  std::cout << "alice speaks in the room \"general\"\n";
  alice_in_room->receive(FrameKind::binary, "<20 ms of Opus>");
  return bob.last_received() == "<20 ms of Opus>" && alice.last_received().empty();
}  // the sessions end here, and with them the membership

bool call(voicechan::Hub& hub) {
  Client alice("alice");
  Client bob("bob");
  voicechan::Session caller = hub.open_signaling({{1}, "alice"}, alice);
  voicechan::Session callee = hub.open_signaling({{2}, "bob"}, bob);

  std::cout << "both join signaling\n";
  caller.receive(FrameKind::text, R"({"type":"join"})");
  callee.receive(FrameKind::text, R"({"type":"join"})");
  const std::string bob_id = text_member(bob.last_received(), "id");

  std::cout << "alice calls bob\n";
  caller.receive(FrameKind::text, R"({"type":"offer","to":")" + bob_id + R"(","sdp":"v=0 ..."})");
  const std::string caller_id = text_member(bob.last_received(), "from");

  std::cout << "bob answers whoever called\n";
  callee.receive(FrameKind::text,
                 R"({"type":"answer","to":")" + caller_id + R"(","sdp":"v=0 ..."})");
  return text_member(alice.last_received(), "type") == "answer" &&
         text_member(alice.last_received(), "from") == bob_id;
}

}  // namespace

int main() {
  voicechan::InProcessBackplane backplane(1);  // joins the hubs of this process; here there is one
  const auto hub = voicechan::Hub::attach(backplane);
  if (!hub) {
    std::cerr << hub.error().message() << '\n';
    return EXIT_FAILURE;
  }

  const bool went_well = talk(**hub) && call(**hub);
  (*hub)->tick(std::chrono::steady_clock::now());  // a host does this at each turn of its loop
  return went_well ? EXIT_SUCCESS : EXIT_FAILURE;
}

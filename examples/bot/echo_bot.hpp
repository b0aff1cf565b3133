#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "voicechan/hub.hpp"

/// A bot that lives in the host's process. It is told by `voicechan.v1`, the protocol with members,
/// who is there and who speaks.
class EchoBot final : public voicechan::Transport {
 public:
  /// False if the room is full. `now` is the host's loop time.
  bool join(voicechan::Hub& hub, const voicechan::RoomName& room,
            const voicechan::MonotonicTime& now) {
    now_ = &now;
    auto session =
        hub.join_voice({{1000}, "echo"}, room, *this, voicechan::VoiceProtocol::with_members);
    if (!session) return false;
    session_ = *std::move(session);
    return true;
  }

  /// Every message of the room. To answer here is allowed: the hub sends the answer when all have
  /// got what is being sent.
  void send(const voicechan::Frame& frame) noexcept override {
    if (frame.kind() == voicechan::FrameKind::text)
      return on_text(boost::json::parse(frame.bytes()).as_object());
    std::uint32_t number = 0;  // audio comes behind the 4 bytes of its speaker's number
    for (std::size_t i = 0; i < 4; ++i)
      number = number << 8 | static_cast<std::uint8_t>(frame.bytes()[i]);
    Speaker& speaker = speakers_[number];
    speaker.heard_at = *now_;
    if (speaker.said.size() < kMaxFrames) speaker.said.push_back(frame.bytes().substr(4));
  }

  /// To be called every 20 ms: looks who has fallen silent, and speaks at the pace of speech.
  void speak() {
    if (to_say_.empty()) choose_what_to_say();
    if (to_say_.empty()) return;
    std::string frame = std::move(to_say_.front());
    to_say_.pop_front();
    session_.receive(voicechan::FrameKind::binary, std::move(frame));
  }

 private:
  static constexpr std::size_t kMaxFrames = 3000;  // a minute
  static constexpr std::chrono::milliseconds kSilence{300};

  struct Speaker {
    std::string username;
    voicechan::MonotonicTime heard_at;
    std::deque<std::string> said;
  };

  void choose_what_to_say() {
    for (auto& [number, speaker] : speakers_) {
      if (speaker.said.empty() || *now_ - speaker.heard_at < kSilence) continue;
      to_say_ = std::exchange(speaker.said, {});
      return say(speaker.username + " said:");  // somebody may leave meanwhile, so that is the end
    }
  }

  void on_text(const boost::json::object& message) {
    const boost::json::string& type = message.at("type").as_string();
    if (type == "roster") {
      for (const boost::json::value& member : message.at("members").as_array())
        add(member.as_object());
    } else if (type == "member_joined") {
      add(message.at("member").as_object());
    } else if (type == "member_left") {
      speakers_.erase(message.at("member").to_number<std::uint32_t>());
    } else if (type == "text" && message.at("text").as_string() == "ping") {
      say("pong, " + speakers_[message.at("member").to_number<std::uint32_t>()].username);
    }
  }

  void add(const boost::json::object& member) {
    speakers_[member.at("member").to_number<std::uint32_t>()].username =
        boost::json::value_to<std::string>(member.at("username"));
  }

  void say(const std::string& text) {
    session_.receive(voicechan::FrameKind::text,
                     boost::json::serialize(boost::json::object{{"type", "text"}, {"text", text}}));
  }

  const voicechan::MonotonicTime* now_ = nullptr;
  std::map<std::uint32_t, Speaker> speakers_;  // by number; a member is here before he is heard
  std::deque<std::string> to_say_;
  voicechan::Session session_;
};

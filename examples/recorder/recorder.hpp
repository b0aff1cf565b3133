#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ogg_opus_file.hpp"
#include "voicechan/hub.hpp"

/// A member of a room that keeps what the others say: a file for each, named by the member's
/// number. All begin when the recorder does, so that they can be mixed as they are.
class Recorder final : public voicechan::Transport {
 public:
  /// `now` is the host's loop time.
  Recorder(std::filesystem::path folder, const voicechan::MonotonicTime& now)
      : folder_(std::move(folder)), now_(&now), started_at_(now) {}

  /// False if the room is full.
  bool join(voicechan::Hub& hub, const voicechan::RoomName& room) {
    auto session =
        hub.join_voice({{1000}, "recorder"}, room, *this, voicechan::VoiceProtocol::with_members);
    if (!session) return false;
    session_ = *std::move(session);
    return true;
  }

  /// Only takes note: the hub's thread carries audio and is not to wait for a disk.
  void send(const voicechan::Frame& frame) noexcept override {
    events_.push_back({frame, *now_ - started_at_});
  }

  /// Writes what has happened since the last call. (A host with a thread that may block swaps
  /// `events_` under a lock, and does the rest of this there.)
  void write() {
    for (const Event& event : std::exchange(events_, {})) {
      if (event.frame.kind() == voicechan::FrameKind::text)
        on_text(boost::json::parse(event.frame.bytes()).as_object());
      else
        on_audio(event);
    }
  }

  int file_count() const { return file_count_; }
  /// What was no Opus, or could not be written to the disk.
  int lost_frames() const { return lost_frames_; }

 private:
  struct Event {
    voicechan::Frame frame;
    voicechan::MonotonicTime::duration at;
  };

  void on_text(const boost::json::object& message) {
    const boost::json::string& type = message.at("type").as_string();
    if (type == "roster") {
      for (const boost::json::value& member : message.at("members").as_array())
        add(member.as_object());
    } else if (type == "member_joined") {
      add(message.at("member").as_object());
    } else if (type == "member_left") {
      const auto number = message.at("member").to_number<std::uint32_t>();
      files_.erase(number);
      usernames_.erase(number);
    }
  }

  void add(const boost::json::object& member) {
    usernames_[member.at("member").to_number<std::uint32_t>()] =
        boost::json::value_to<std::string>(member.at("username"));
  }

  void on_audio(const Event& event) {
    const std::string& bytes = event.frame.bytes();
    std::uint32_t number = 0;  // of the speaker, 4 bytes before his packet
    for (std::size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<std::uint8_t>(bytes[i]);
    const std::string packet = bytes.substr(4);
    if (!OggOpusFile::is_opus_packet(packet)) {
      ++lost_frames_;
      return;
    }
    const auto [file, is_new] =
        files_.try_emplace(number, folder_ / (std::to_string(number) + ".opus"),
                           static_cast<int>(number), usernames_[number]);
    file_count_ += is_new ? 1 : 0;
    using Samples = std::chrono::duration<std::int64_t, std::ratio<1, 48'000>>;
    file->second.write(packet, std::chrono::duration_cast<Samples>(event.at).count());
    lost_frames_ += file->second.is_good() ? 0 : 1;
  }

  std::filesystem::path folder_;
  const voicechan::MonotonicTime* now_;
  voicechan::MonotonicTime started_at_;
  std::vector<Event> events_;
  std::map<std::uint32_t, std::string> usernames_;  // a name may be no good file name
  std::map<std::uint32_t, OggOpusFile> files_;
  int file_count_ = 0;
  int lost_frames_ = 0;
  voicechan::Session session_;
};

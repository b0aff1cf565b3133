#pragma once

#include <cstddef>
#include <utility>
#include <variant>
#include <vector>

#include "envelope.hpp"

namespace voicechan::redis {

/// Messages of a group that cannot be used yet, in their order. Bounded: what does not fit is
/// dropped and remembered as lost.
class HeldMessages {
 public:
  static constexpr std::size_t kMaxMessages = 4096;
  static constexpr std::size_t kMaxBytes = std::size_t{4} << 20;

  void push(Message message) {
    const std::size_t size = size_of(message);
    if (messages_.size() >= kMaxMessages || size > kMaxBytes - bytes_) {
      has_lost_ = true;
      return;
    }
    bytes_ += size;
    messages_.push_back(std::move(message));
  }

  /// All of them. It stays known if some were lost.
  std::vector<Message> take() {
    bytes_ = 0;
    return std::exchange(messages_, {});
  }

  bool has_lost() const noexcept { return has_lost_; }

 private:
  static std::size_t size_of(const MemberRecord& member) noexcept {
    return sizeof member + member.key.size() + member.user.username.size() + member.data.size();
  }
  static std::size_t size_of(const Message& message) noexcept {
    std::size_t size = sizeof message;
    if (const auto* joined = std::get_if<JoinMessage>(&message.body)) {
      size += size_of(joined->member);
    } else if (const auto* updated = std::get_if<UpdateMessage>(&message.body)) {
      size += updated->key.size() + updated->data.size();
    } else if (const auto* snapshot = std::get_if<SnapshotMessage>(&message.body)) {
      for (const MemberRecord& member : snapshot->members) size += size_of(member);
    }
    return size;
  }

  std::vector<Message> messages_;
  std::size_t bytes_ = 0;
  bool has_lost_ = false;
};

}  // namespace voicechan::redis

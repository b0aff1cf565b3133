#include "redis/channel_event.hpp"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "unicode.hpp"

namespace voicechan::redis {
namespace {

// It keeps the order of members, so that the text is as Python's json would write it.
using Value = nlohmann::ordered_json;

// An object that keeps its order looks at all members for one.
constexpr std::size_t kMaxKeys = 4096;

constexpr const char* kTextKeys[] = {"text", "text_data"};
constexpr const char* kBytesKeys[] = {"bytes", "bytes_data"};

/// Builds a value out of what the parser finds, and stops it where there is too much: the parser
/// itself goes as deep as the bytes say.
class Builder {
 public:
  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add(value); }
  bool number_unsigned(std::uint64_t value) { return add(value); }
  bool number_float(double value, const std::string& /*text*/) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Value::binary_t& value) { return add(Value::binary(std::move(value))); }
  bool start_object(std::size_t /*size*/) { return open(Value::object()); }
  bool start_array(std::size_t /*size*/) { return open(Value::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& value) {
    if (++key_count_ > kMaxKeys) return false;
    keys_.back() = std::move(value);
    return true;
  }
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const Value::exception& /*error*/) {
    return false;
  }

  Value& root() noexcept { return root_; }

 private:
  template <class Content>
  bool add(Content&& content) {
    place() = std::forward<Content>(content);
    return true;
  }

  bool open(Value container) {
    if (open_.size() >= kMaxChannelEventDepth) return false;
    Value& here = place();
    here = std::move(container);
    open_.push_back(&here);
    keys_.emplace_back();
    return true;
  }

  bool close() {
    open_.pop_back();
    keys_.pop_back();
    return true;
  }

  /// Where the next value belongs. A container does not grow while one of its values is open.
  Value& place() {
    if (open_.empty()) return root_;
    Value& container = *open_.back();
    if (container.is_object()) return container[keys_.back()];
    container.push_back(nullptr);
    return container.back();
  }

  Value root_;
  std::vector<Value*> open_;
  std::vector<std::string> keys_;  // of each open one, the last
  std::size_t key_count_ = 0;
};

bool has_bytes(const Value& value) {
  if (value.is_binary()) return true;
  return value.is_structured() && std::any_of(value.begin(), value.end(), has_bytes);
}

ChannelEvent json_of(const Value& value) {
  if (has_bytes(value)) return {std::nullopt, "it has bytes where JSON can have none"};
  try {
    return {Frame::control_text(value.dump()), nullptr};
  } catch (const Value::type_error&) {
    return {std::nullopt, "it has text that is not UTF-8"};
  }
}

/// The frame that an event of the form of ours has.
ChannelEvent plain_frame_of(const Value& event) {
  for (const char* key : kTextKeys) {
    const auto found = event.find(key);
    if (found == event.end() || !found->is_string()) continue;
    const auto& text = found->get_ref<const std::string&>();
    if (!unicode::is_utf8(text)) return {std::nullopt, "it has text that is not UTF-8"};
    return {Frame::control_text(text), nullptr};
  }
  for (const char* key : kBytesKeys) {
    const auto found = event.find(key);
    if (found == event.end() || !found->is_binary()) continue;
    const auto& bytes = found->get_binary();
    return {Frame::media(std::string(bytes.begin(), bytes.end())), nullptr};
  }
  return {};
}

bool has_nil_for_content(const Value& event) {
  bool has_nil = false;
  for (const auto* keys : {&kTextKeys, &kBytesKeys}) {
    for (const char* key : *keys) {
      const auto found = event.find(key);
      if (found == event.end()) continue;
      if (!found->is_null()) return false;
      has_nil = true;
    }
  }
  return has_nil;
}

}  // namespace

std::string encode_channel_event(const Frame& frame, const ChannelEventFormat& format,
                                 std::string_view sender) {
  const std::string& content = frame.bytes();
  Value event = {{"type", format.type}, {"sender", sender}, {"text", nullptr}, {"bytes", nullptr}};
  if (frame.kind() == FrameKind::text) {
    event["text"] = content;
  } else {
    event["bytes"] = Value::binary(std::vector<std::uint8_t>(content.begin(), content.end()));
  }
  std::string bytes;
  Value::to_msgpack(event, bytes);
  return bytes;
}

ChannelEvent decode_channel_event(std::string_view bytes, const ChannelEventFormat& format) {
  if (bytes.size() > kMaxChannelEventBytes) return {std::nullopt, "it is too large"};
  Builder builder;
  if (!Value::sax_parse(bytes.begin(), bytes.end(), &builder, Value::input_format_t::msgpack)) {
    return {std::nullopt, "it is no msgpack, or has too much in it"};
  }
  Value& event = builder.root();
  if (!event.is_object()) return {std::nullopt, "it is no map"};
  const auto type = event.find("type");
  if (type == event.end() || !type->is_string()) return {std::nullopt, "it has no type"};
  const auto sender = event.find("sender");
  if (sender != event.end() && sender->is_string() &&
      sender->get_ref<const std::string&>().rfind(kChannelEventSender, 0) == 0) {
    return {};
  }
  if (!format.field.empty()) {
    const auto field = event.find(format.field);
    if (field != event.end()) return json_of(*field);
  }
  auto plain = plain_frame_of(event);
  if (plain.frame || plain.problem != nullptr) return plain;
  if (has_nil_for_content(event)) return {std::nullopt, "it has neither text nor bytes"};
  event.erase("type");
  return json_of(event);
}

}  // namespace voicechan::redis

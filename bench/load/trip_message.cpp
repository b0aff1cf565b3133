#include "trip_message.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace voicechan::load {
namespace {

constexpr std::size_t kNumbersBytes = 40;  // of a message, about

std::string_view text_of(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

bool read_number(const boost::json::object& object, std::string_view name, std::int64_t& number) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_int64() || value->get_int64() < 0) return false;
  number = value->get_int64();
  return true;
}

bool is_pad(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == 'p'; });
}

}  // namespace

std::optional<TripMessage> read_trip_message(std::string_view payload) {
  unsigned char buffer[4096];
  boost::json::monotonic_resource memory(buffer);
  boost::json::error_code error;
  const auto value = boost::json::parse({payload.data(), payload.size()}, error, &memory);
  if (error || !value.is_object()) return std::nullopt;
  const boost::json::object& object = value.get_object();
  const std::string_view type = text_of(object, "type");
  TripMessage message;
  if (type == "joined") {
    message.type = TripMessage::Type::joined;
    message.id = text_of(object, "id");
    if (message.id.empty()) return std::nullopt;
  } else if (type == "error") {
    message.code = text_of(object, "code");
  } else if (type == "ping" || type == "pong") {
    message.type = type == "ping" ? TripMessage::Type::ping : TripMessage::Type::pong;
    message.from = text_of(object, "from");
    std::int64_t number = 0;
    const std::string_view pad = text_of(object, "pad");
    if (!read_number(object, "n", number) || !read_number(object, "t", message.sent_ns) ||
        !is_pad(pad)) {
      return std::nullopt;
    }
    message.number = static_cast<std::uint64_t>(number);
    message.pad_bytes = pad.size();
  } else {
    return std::nullopt;
  }
  return message;
}

TripWriter::TripWriter(std::string_view type, std::string_view to, std::size_t bytes) {
  const boost::json::object head{{"type", type}, {"to", to}};
  head_ = boost::json::serialize(head);
  head_.back() = ',';
  const std::size_t used = head_.size() + kNumbersBytes;
  pad_.assign(bytes > used ? bytes - used : 0, 'p');
}

std::string_view TripWriter::write(std::uint64_t number, std::int64_t sent_ns) {
  message_.assign(head_);
  message_.append("\"n\":").append(std::to_string(number));
  message_.append(",\"t\":").append(std::to_string(sent_ns));
  message_.append(",\"pad\":\"").append(pad_).append("\"}");
  return message_;
}

}  // namespace voicechan::load

#include "changes.hpp"

#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <exception>

namespace json = boost::json;
using namespace voicechan;

namespace {

std::string text(const json::object& line, const char* member) {
  return json::value_to<std::string>(line.at(member));
}
std::int64_t number(const json::object& line, const char* member) {
  return line.at(member).as_int64();
}
WallTime time(const json::object& line, const char* member) {
  return WallTime(std::chrono::microseconds(number(line, member)));
}
KeyDigest key(const json::object& line) { return json::value_to<KeyDigest>(line.at("key")); }

bool apply(const json::object& line, Store& memory) {
  const std::string change = text(line, "change");
  if (change == "create_channel") {
    const auto name = ChannelName::parse(text(line, "name"));
    const UserId creator{number(line, "creator")};
    return name && memory.create_channel(*name, creator, time(line, "at"));
  }
  if (change == "create_invitation") {
    const UserId addressee{number(line, "addressee")}, inviter{number(line, "inviter")};
    const ChannelId channel{number(line, "channel")};
    return memory.create_invitation(channel, addressee, inviter, time(line, "at")).has_value();
  }
  if (change == "revoke_token") {
    const auto id = TokenId::parse(text(line, "id"));
    return id && memory.revoke_token(*id, time(line, "until"), time(line, "at"));
  }
  const auto name = Username::parse(text(line, "name"));
  if (!name) return false;
  if (change == "create_user") return memory.create_user(*name, key(line)).has_value();
  if (change == "replace_user_key") return memory.replace_user_key(*name, key(line)).has_value();
  return change == "remove_user" && memory.remove_user(*name);
}

}  // namespace

bool apply_change(const std::string& line, Store& memory) noexcept {
  try {
    return apply(json::parse(line).as_object(), memory);
  } catch (const std::exception&) {  // no JSON, or a member is missing or of another type
    return false;
  }
}

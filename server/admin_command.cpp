#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <vector>

#include "admin_client.hpp"
#include "commands.hpp"
#include "router.hpp"

namespace voicechan::server {
namespace {

namespace json = boost::json;

using Row = std::vector<std::string>;

std::string text_of(const json::object& object, const char* member) {
  const json::value* const value = object.if_contains(member);
  if (value == nullptr || value->is_null()) return "-";
  if (value->is_string()) return std::string(value->get_string());
  return json::serialize(*value);
}

/// "42 s", "17 min", "3 h", "12 d"
std::string age_of(const json::object& session) {
  const double seconds = session.at("age_seconds").to_number<double>();
  struct Unit {
    double seconds;
    const char* name;
  };
  Unit unit{1, "s"};
  for (const Unit larger : {Unit{60, "min"}, Unit{3600, "h"}, Unit{86400, "d"}}) {
    if (seconds >= 2 * larger.seconds) unit = larger;
  }
  return std::to_string(static_cast<std::int64_t>(seconds / unit.seconds)) + ' ' + unit.name;
}

/// Names come from clients: a terminal is not to obey what is in them. Characters, not bytes, count
/// for the width.
std::string harmless(const std::string& text) {
  std::string shown;
  for (const char c : text) shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return shown;
}

std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

void print_table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::cout << row[i];
      if (i + 1 < row.size()) std::cout << std::string(widths[i] - width_of(row[i]) + 2, ' ');
    }
    std::cout << '\n';
  }
}

/// All of a listing, page by page.
std::vector<json::object> fetch_all(const AdminClient& client, const std::string& path,
                                    const char* member, const std::string& query) {
  constexpr const char* kLimit = "?limit=1000";
  std::vector<json::object> all;
  std::string after;
  for (;;) {
    const json::object page =
        client.get(std::string(path).append(kLimit).append(query).append(after));
    for (const json::value& each : page.at(member).as_array()) all.push_back(each.as_object());
    const json::value& next = page.at("next");
    if (next.is_null()) return all;
    after = "&after=" + percent_encode(std::string_view(next.as_string()));
  }
}

void print_json(const std::vector<json::object>& all) {
  for (const json::object& each : all) std::cout << json::serialize(each) << '\n';
}

void list_rooms(const AdminClient& client, const AdminCommand& command) {
  const auto rooms = fetch_all(client, "/admin/rooms/", "rooms", {});
  if (command.is_json) return print_json(rooms);
  std::vector<Row> rows{{"KIND", "MEMBERS", "ROOM"}};
  for (const json::object& room : rooms) {
    rows.push_back(
        {text_of(room, "kind"), text_of(room, "members"), harmless(text_of(room, "name"))});
  }
  print_table(rows);
}

void list_sessions(const AdminClient& client, const AdminCommand& command) {
  std::string query;
  if (!command.room.empty()) query += "&room=" + percent_encode(command.room);
  if (!command.user.empty()) query += "&user=" + percent_encode(command.user);
  const auto sessions = fetch_all(client, "/admin/sessions/", "sessions", query);
  if (command.is_json) return print_json(sessions);
  std::vector<Row> rows{{"ID", "USER", "KIND", "ADDRESS", "AGE", "WAITING", "ROOM"}};
  for (const json::object& session : sessions) {
    rows.push_back({text_of(session, "id"), harmless(text_of(session, "username")),
                    text_of(session, "kind"), text_of(session, "address"), age_of(session),
                    text_of(session, "waiting_bytes") + " B", harmless(text_of(session, "room"))});
  }
  print_table(rows);
}

void kick(const AdminClient& client, const AdminCommand& command) {
  const json::object session =
      client.post("/admin/sessions/" + percent_encode(command.session) + "/kick");
  if (command.is_json) return print_json({session});
  std::cout << "closed " << text_of(session, "id") << ": " << text_of(session, "kind") << " of "
            << harmless(text_of(session, "username"));
  if (!session.at("room").is_null()) std::cout << " in room " << harmless(text_of(session, "room"));
  std::cout << '\n';
}

}  // namespace

int run_admin_command(const CommandLine& line) {
  try {
    const AdminClient client(line.admin);
    switch (line.command) {
      case CommandLine::Command::rooms:
        list_rooms(client, line.admin);
        break;
      case CommandLine::Command::sessions:
        list_sessions(client, line.admin);
        break;
      default:
        kick(client, line.admin);
    }
  } catch (const std::exception& error) {
    std::cerr << "voicechan-server: " << error.what() << '\n';
    return 1;
  }
  return 0;
}

}  // namespace voicechan::server

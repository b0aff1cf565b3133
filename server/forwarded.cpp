#include "forwarded.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "header_tokens.hpp"

namespace voicechan::server {
namespace {

using Hops = std::vector<std::string>;

/// "192.0.2.7", "192.0.2.7:4711", "2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:4711"
std::optional<ClientAddress> parse_node(std::string_view node) {
  if (!node.empty() && node.front() == '[') {
    const std::size_t end = node.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view behind = node.substr(end + 1);
    if (!behind.empty() && behind.front() != ':') return std::nullopt;
    return parse_address(node.substr(1, end - 1));
  }
  const bool has_port = std::count(node.begin(), node.end(), ':') == 1;
  return parse_address(has_port ? node.substr(0, node.find(':')) : node);
}

/// Reads the syntax of RFC 7239, section 4, step by step.
class ForwardedReader {
 public:
  explicit ForwardedReader(std::string_view text) : text_(text) {}

  /// The `for` of each element, empty where it has none; nothing if the field is malformed.
  std::optional<Hops> hops() {
    Hops hops;
    for (;;) {
      skip_spaces();
      std::string node;
      bool has_node = false;
      while (!text_.empty() && text_.front() != ',') {
        const auto name = token();
        if (!name || !take('=')) return std::nullopt;
        auto value = text_.empty() || text_.front() != '"' ? token() : quoted();
        if (!value) return std::nullopt;
        if (equals_ignoring_case(*name, "for")) {
          if (std::exchange(has_node, true)) return std::nullopt;
          node = std::move(*value);
        }
        skip_spaces();
        if (!take(';')) break;
        skip_spaces();
      }
      hops.push_back(std::move(node));
      if (text_.empty()) return hops;
      if (!take(',')) return std::nullopt;
    }
  }

 private:
  void skip_spaces() { text_.remove_prefix(text_.size() - trimmed_size()); }
  std::size_t trimmed_size() const {
    const std::size_t begin = text_.find_first_not_of(" \t");
    return begin == std::string_view::npos ? 0 : text_.size() - begin;
  }

  bool take(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  std::optional<std::string> token() {
    const auto* const end = std::find_if_not(text_.begin(), text_.end(), is_token_char);
    const std::string_view found = text_.substr(0, static_cast<std::size_t>(end - text_.begin()));
    if (found.empty()) return std::nullopt;
    text_.remove_prefix(found.size());
    return std::string(found);
  }

  std::optional<std::string> quoted() {
    text_.remove_prefix(1);
    std::string value;
    while (!text_.empty() && text_.front() != '"') {
      if (text_.front() == '\\') text_.remove_prefix(1);
      if (text_.empty()) return std::nullopt;
      value += text_.front();
      text_.remove_prefix(1);
    }
    if (!take('"')) return std::nullopt;
    return value;
  }

  std::string_view text_;
};

}  // namespace

std::string_view name_of(ForwardedField field) noexcept {
  return field == ForwardedField::forwarded ? "forwarded" : "x-forwarded-for";
}

ClientAddress find_client(ForwardedField field, std::string_view value, const ClientAddress& proxy,
                          const TrustedProxies& trusted) {
  auto hops = field == ForwardedField::forwarded ? ForwardedReader(value).hops()
                                                 : std::optional(split_list(value));
  // What a client has sent must not spoil what the proxy has added.
  if (!hops) hops = ForwardedReader(value.substr(value.rfind(',') + 1)).hops();
  ClientAddress client = proxy;
  if (!hops) return client;
  for (auto hop = hops->rbegin(); hop != hops->rend(); ++hop) {
    const auto address = parse_node(*hop);
    if (!address) break;
    client = *address;
    if (!trusted.contains(client)) break;
  }
  return client;
}

}  // namespace voicechan::server

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http_message.hpp"

namespace voicechan::server {

/// From which web pages browsers may use the server, beside those that it is the host of itself.
struct OriginOptions {
  /// As `parse_origin` gives them; "*" is any.
  std::vector<std::string> allowed;
  /// Pages of this machine, whatever their port.
  bool allow_loopback = false;
};

/// An origin (RFC 6454) in lower case and without its scheme's default port: "https://app.example",
/// "http://localhost:3000". Nothing if it is none ("null" is none either).
std::optional<std::string> parse_origin(std::string_view text);

/// Decides by a request's Origin, which browsers set and pages cannot change. Immutable.
class OriginPolicy {
 public:
  explicit OriginPolicy(OriginOptions options) : options_(std::move(options)) {}

  /// True without an Origin (no browser), for that of the request's own Host, and for those of the
  /// options.
  bool allows(const HttpRequest& request) const;

  /// The request's Origin if it has one that is allowed, to be named in the response.
  std::optional<std::string> find_allowed_origin(const HttpRequest& request) const;

 private:
  bool allows(std::string_view origin, std::string_view host) const;

  OriginOptions options_;
};

/// Has the browser give the response to a page of `origin`; for a preflight request also tells what
/// that page may send. `origin` is as `OriginPolicy::find_allowed_origin` gave it.
void add_cors_fields(HttpResponse& response, const std::string& origin, bool is_preflight);

/// True if `request` asks whether another one would be allowed (Fetch standard, "CORS-preflight").
bool is_preflight(const HttpRequest& request);

}  // namespace voicechan::server

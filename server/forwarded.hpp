#pragma once

#include <string_view>

#include "client_address.hpp"
#include "trusted_proxies.hpp"

namespace voicechan::server {

/// The field in which proxies say whose request they pass on. Only one is looked at: a client can
/// send the other one, and a proxy that does not know it lets it pass.
enum class ForwardedField {
  x_forwarded_for,
  forwarded,  ///< RFC 7239
};

/// Lower case.
std::string_view name_of(ForwardedField field) noexcept;

/// The client of a request that came from the trusted `proxy` with this `value` of the field: each
/// proxy has added at the end whom it had the request from, so it is the last address that is not
/// itself a trusted proxy's. What stands before that may be invented. Where a proxy hides an
/// address ("unknown", "_hidden"), or the field is malformed, it is the last proxy that is known.
ClientAddress find_client(ForwardedField field, std::string_view value, const ClientAddress& proxy,
                          const TrustedProxies& trusted);

}  // namespace voicechan::server

#pragma once

#include <string_view>

namespace voicechan::server {

/// The OpenAPI 3.1 document of the HTTP endpoints: server/api/openapi.json with our version in it.
extern const std::string_view kOpenApiDocument;

/// The AsyncAPI 3.0 document of the WebSockets: server/api/asyncapi.json, likewise.
extern const std::string_view kAsyncApiDocument;

}  // namespace voicechan::server

#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string_view>

namespace voicechan::server {

/// The JSON object that `text` is. Nothing if it is anything else, is nested deeper than 32, or
/// names a member twice at any depth: of such a text two readers may take different meanings.
std::optional<boost::json::object> parse_strict_object(std::string_view text);

}  // namespace voicechan::server

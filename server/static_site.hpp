#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "http_message.hpp"

namespace voicechan::server {

/// The files of a folder, for `--www`. They are read once, at the start: what the server shows
/// cannot change under it, no request touches the disk, and no path leads out of the folder.
/// Immutable.
class StaticSite {
 public:
  /// A site is some pages, not a download area.
  static constexpr std::size_t kMaxFiles = 2'000;
  static constexpr std::size_t kMaxBytes = std::size_t{64} << 20;

  /// Reads `directory` and its folders. Names that begin with a dot are left out, and links to
  /// folders. Throws std::runtime_error, which says what is wrong: no folder, a file that cannot be
  /// read, no index.html in it, more than there may be.
  explicit StaticSite(const std::string& directory);

  /// The answer to a request that the API has no path for; nothing if there is no such file either.
  /// `/` is index.html, in each folder.
  std::optional<HttpResponse> answer(const HttpRequest& request) const;

 private:
  struct File {
    std::string content;
    std::string_view content_type;
    std::string etag;
  };

  std::unordered_map<std::string, File> files_;  // by path, "/app.js"
};

}  // namespace voicechan::server

#include "static_site.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "json_views.hpp"
#include "keys.hpp"
#include "rest_api.hpp"
#include "router.hpp"

namespace voicechan::server {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIndex = "index.html";
constexpr const char* kAllowed = "GET, HEAD, OPTIONS";

// Scripts and styles of the folder only, none inside of pages; connections to this server and, so
// that a page can be tried against another one, to any WebSocket.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob:; worker-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

std::string_view content_type_of(const fs::path& path) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 17> kTypes = {{
      {".html", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".json", "application/json"},
      {".map", "application/json"},
      {".webmanifest", "application/manifest+json"},
      {".txt", "text/plain; charset=utf-8"},
      {".ts", "text/plain; charset=utf-8"},
      {".md", "text/plain; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},
      {".wasm", "application/wasm"},
      {".ogg", "audio/ogg"},
  }};
  const std::string extension = path.extension().string();
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(),
                                   [&](const auto& type) { return type.first == extension; });
  return found == kTypes.end() ? "application/octet-stream" : found->second;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in || in.bad()) throw std::runtime_error("cannot read the web page " + path.string());
  return content;
}

/// SHA-256 in hexadecimal digits.
std::string make_tag(const std::string& content) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string tag;
  for (const std::uint8_t byte : digest_key(content)) {
    tag += kDigits[byte >> 4];
    tag += kDigits[byte & 15];
  }
  return tag;
}

bool is_hidden(const fs::path& path) { return path.filename().string().front() == '.'; }

}  // namespace

StaticSite::StaticSite(const std::string& directory) {
  std::error_code error;
  fs::recursive_directory_iterator each(directory, error);
  if (error)
    throw std::runtime_error("cannot show the web pages of " + directory + ": " + error.message());
  std::size_t bytes = 0;
  for (; each != fs::recursive_directory_iterator(); each.increment(error)) {
    const fs::path& path = each->path();
    if (is_hidden(path)) {
      each.disable_recursion_pending();
      continue;
    }
    if (!each->is_regular_file(error)) continue;
    bytes += each->file_size(error);
    if (error) throw std::runtime_error("cannot read the web page " + path.string());
    if (bytes > kMaxBytes || files_.size() >= kMaxFiles) {
      throw std::runtime_error("cannot show the web pages of " + directory +
                               ": they are more than " + std::to_string(kMaxFiles) + " files or " +
                               std::to_string(kMaxBytes >> 20) + " MiB");
    }
    File file{read_file(path), content_type_of(path), {}};
    file.etag = '"' + make_tag(file.content) + '"';
    files_.emplace('/' + fs::relative(path, directory).generic_string(), std::move(file));
  }
  if (error)
    throw std::runtime_error("cannot show the web pages of " + directory + ": " + error.message());
  if (files_.find("/" + std::string(kIndex)) == files_.end()) {
    throw std::runtime_error("cannot show the web pages of " + directory +
                             ": there is no index.html");
  }
}

std::optional<HttpResponse> StaticSite::answer(const HttpRequest& request) const {
  auto path = percent_decode(request.target.substr(0, request.target.find('?')));
  if (!path || path->empty()) return std::nullopt;
  if (path->back() == '/') path->append(kIndex);
  const auto found = files_.find(*path);
  if (found == files_.end()) return std::nullopt;
  if (request.method == "OPTIONS") return make_options_response(kAllowed);
  if (request.method != "GET" && request.method != "HEAD") {
    HttpResponse refusal = make_detail_response(405, "Only GET and HEAD are allowed here.");
    refusal.fields.emplace_back("Allow", kAllowed);
    return refusal;
  }
  const File& file = found->second;
  HttpResponse response;
  response.fields = {{"Content-Type", std::string(file.content_type)},
                     {"Cache-Control", "no-cache"},  // may be kept, and is asked for again
                     {"ETag", file.etag},
                     {"Content-Security-Policy", kPolicy}};
  const std::string known = request.field("if-none-match");
  if (known == "*" || known.find(file.etag) != std::string::npos) {
    response.status = 304;
  } else {
    response.body = file.content;
  }
  return response;
}

}  // namespace voicechan::server

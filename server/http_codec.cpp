#include "http_codec.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/status.hpp>
#include <cstdio>
#include <ctime>
#include <limits>

namespace voicechan::server {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

// Longer than any method in the IANA registry.
constexpr std::size_t kMaxMethodBytes = 32;
// "HTTP/1.1\r"
constexpr std::size_t kVersionBytes = 9;
// CR and LF before a request line, which some clients send after a body (RFC 9112 2.2).
constexpr unsigned kMaxBlankBytes = 8;
// All chunk extensions of one request, and all its trailers.
constexpr std::size_t kMaxChunkExtensionBytes = 4 * 1024;
constexpr std::size_t kMaxTrailerBytes = 4 * 1024;
// One chunk header, or the last one with the trailers.
constexpr std::size_t kMaxChunkHeadBytes = 8 * 1024;
// "0\r\n\r\n": a chunked body never ends sooner, wherever a chunk header starts. Beast 1.81 asserts
// that much after "0\r\n".
constexpr std::size_t kMinChunkedBytes = 5;
// What is copied at once to complete a chunk header.
constexpr std::size_t kTopUpBytes = 256;
constexpr std::size_t kMaxBodyReserve = 64 * 1024;

struct Failure {
  unsigned status = 0;  // 0: none
  const char* detail = "";

  explicit operator bool() const noexcept { return status != 0; }
};

constexpr Failure kBadTarget{400, "The request target is not valid."};
constexpr Failure kBadHost{400, "The Host field is not valid."};
constexpr Failure kBadVersion{400, "The request line does not end in an HTTP version."};
constexpr Failure kTooManyFieldBytes{431, "The header fields are too large."};
constexpr Failure kBareLineFeed{400, "A line does not end in CR LF."};
constexpr Failure kTooLargeBody{413, "The body is too large."};

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

bool is_alphanumeric(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_hex(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool is_token_char(char c) noexcept {
  return is_alphanumeric(c) ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

char to_lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return to_lower(x) == to_lower(y); });
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) noexcept {
  return equals_ignoring_case(text.substr(0, prefix.size()), prefix);
}

bool has_token(const std::string& list, std::string_view token) {
  const http::opt_token_list tokens{beast::string_view(list)};
  return std::any_of(tokens.begin(), tokens.end(), [token](beast::string_view each) {
    return equals_ignoring_case({each.data(), each.size()}, token);
  });
}

// RFC 9110 7.2: uri-host [ ":" port ], as RFC 3986 defines them.
bool is_host(std::string_view text) noexcept {
  std::size_t at = 0;
  if (!text.empty() && text.front() == '[') {
    at = text.find(']');
    if (at == std::string_view::npos || at == 1) return false;
    const std::string_view address = text.substr(1, at - 1);
    const bool is_address = std::all_of(address.begin(), address.end(),
                                        [](char c) { return is_hex(c) || c == ':' || c == '.'; });
    if (!is_address) return false;
    ++at;
  } else {
    constexpr std::string_view kMarks = "-._~!$&'()*+,;=";
    for (; at < text.size() && text[at] != ':'; ++at) {
      if (text[at] == '%') {
        if (text.size() - at < 3 || !is_hex(text[at + 1]) || !is_hex(text[at + 2])) return false;
        at += 2;
      } else if (!is_alphanumeric(text[at]) && kMarks.find(text[at]) == std::string_view::npos) {
        return false;
      }
    }
  }
  if (at == text.size()) return true;
  const std::string_view port = text.substr(at + 1);
  return text[at] == ':' && port.size() <= 5 && std::all_of(port.begin(), port.end(), is_digit);
}

Failure to_failure(const beast::error_code& error) {
  if (error == http::error::body_limit) return kTooLargeBody;
  if (error == http::error::header_limit) return kTooManyFieldBytes;
  if (error == http::error::bad_line_ending) return kBareLineFeed;
  if (error == http::error::bad_field) return {400, "A header field's name is not valid."};
  if (error == http::error::bad_value) return {400, "A header field's value is not valid."};
  if (error == http::error::bad_target) return kBadTarget;
  if (error == http::error::bad_version) return kBadVersion;
  if (error == http::error::bad_content_length || error == http::error::multiple_content_length ||
      error == http::error::bad_transfer_encoding) {
    return {400, "The length of the body is given in a wrong or ambiguous way."};
  }
  if (error == http::error::bad_chunk || error == http::error::bad_chunk_extension) {
    return {400, "The chunked body is malformed."};
  }
  return {400, "The request is malformed."};
}

// Beast's parser, storing straight into our request.
class RequestParser final : public http::basic_parser<true> {
 public:
  HttpRequest request;

 private:
  using Text = beast::string_view;
  using Error = beast::error_code;

  void on_request_impl(http::verb, Text method, Text target, int version, Error&) override {
    request.method.assign(method.data(), method.size());
    request.target.assign(target.data(), target.size());
    request.is_http_1_0 = version == 10;
  }

  void on_response_impl(int, Text, int, Error&) override {}

  void on_field_impl(http::field, Text name, Text value, Error& error) override {
    if (is_header_done()) {  // a trailer
      trailer_bytes_ += name.size() + value.size();
      if (trailer_bytes_ > kMaxTrailerBytes) error = http::error::header_limit;
      return;
    }
    auto& [key, text] = request.fields.emplace_back();
    key.resize(name.size());
    std::transform(name.begin(), name.end(), key.begin(), to_lower);
    text.assign(value.data(), value.size());
  }

  void on_header_impl(Error&) override {}

  void on_body_init_impl(const boost::optional<std::uint64_t>& length, Error&) override {
    // The announced length is not trusted with memory before the bytes come.
    if (length) request.body.reserve(std::min<std::uint64_t>(*length, kMaxBodyReserve));
  }

  std::size_t on_body_impl(Text body, Error&) override {
    request.body.append(body.data(), body.size());
    return body.size();
  }

  void on_chunk_header_impl(std::uint64_t, Text extensions, Error& error) override {
    extension_bytes_ += extensions.size();
    if (extension_bytes_ > kMaxChunkExtensionBytes) error = http::error::bad_chunk_extension;
  }

  std::size_t on_chunk_body_impl(std::uint64_t, Text body, Error& error) override {
    return on_body_impl(body, error);
  }

  void on_finish_impl(Error&) override {}

  std::size_t extension_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
};

// True if Beast waits for more though the chunk header (of the last chunk: with its trailers) has
// ended: it does so when a quoted string in an extension runs over the end of the line.
bool is_overrun(std::string_view waiting) noexcept {
  if (waiting.substr(0, 2) == "\r\n") waiting.remove_prefix(2);
  const std::size_t line_end = waiting.find("\r\n");
  if (line_end == std::string_view::npos) return false;
  const std::size_t zeros = std::min(waiting.find_first_not_of('0'), line_end);
  const bool is_last_chunk = zeros != 0 && !is_hex(waiting[zeros]);
  return !is_last_chunk || waiting.find("\r\n\r\n", line_end) != std::string_view::npos;
}

std::size_t count_fields(const HttpRequest& request, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(request.fields.begin(), request.fields.end(),
                    [name](const auto& field) { return field.first == name; }));
}

Failure check_host(const HttpRequest& request) {
  const std::size_t hosts = count_fields(request, "host");
  if (hosts == 0 && !request.is_http_1_0) return {400, "The Host field is missing."};
  if (hosts > 1) return {400, "There is more than one Host field."};
  if (!is_host(request.field("host"))) return kBadHost;
  return {};
}

// Beast has seen to numbers, conflicts and lengths with chunked; what it lets pass is refused here.
Failure check_framing(const HttpRequest& request) {
  const std::size_t lengths = count_fields(request, "content-length");
  const std::size_t codings = count_fields(request, "transfer-encoding");
  if (lengths + codings > 1) return to_failure(http::error::bad_content_length);
  if (lengths == 1) {
    const std::string length = request.field("content-length");
    if (!std::all_of(length.begin(), length.end(), is_digit)) {
      return to_failure(http::error::bad_content_length);
    }
  }
  if (codings == 0) return {};
  const std::string coding = request.field("transfer-encoding");
  if (request.is_http_1_0 || coding.empty() ||
      !http::validate_list(http::opt_token_list{beast::string_view(coding)})) {
    return to_failure(http::error::bad_transfer_encoding);
  }
  if (!equals_ignoring_case(coding, "chunked")) {
    return {501, "The only transfer coding known here is chunked."};
  }
  return {};
}

// Brings absolute-form to origin-form; its authority takes the place of Host (RFC 9112 3.2.2).
Failure normalize_target(HttpRequest& request) {
  if (request.method == "CONNECT") return {400, "This server is no proxy."};
  if (request.target.front() == '/') return {};
  if (request.target == "*") return request.method == "OPTIONS" ? Failure{} : kBadTarget;

  std::string_view rest = request.target;
  if (starts_with_ignoring_case(rest, "http://")) {
    rest.remove_prefix(7);
  } else if (starts_with_ignoring_case(rest, "https://")) {
    rest.remove_prefix(8);
  } else {
    return kBadTarget;
  }
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
  if (authority.empty() || authority.front() == ':' || !is_host(authority)) return kBadTarget;
  for (auto& [name, value] : request.fields) {
    if (name == "host") value = authority;
  }
  rest.remove_prefix(authority.size());
  std::string target = rest.empty() || rest.front() != '/' ? "/" : "";
  target += rest;
  request.target = std::move(target);
  return {};
}

Failure check_expectation(const HttpRequest& request) {
  for (const auto& [name, value] : request.fields) {
    if (name == "expect" && !request.is_http_1_0 && !equals_ignoring_case(value, "100-continue")) {
      return {417, "The only expectation known here is 100-continue."};
    }
  }
  return {};
}

Failure complete_head(HttpRequest& request) {
  if (const Failure failure = check_host(request)) return failure;
  if (const Failure failure = check_framing(request)) return failure;
  if (const Failure failure = normalize_target(request)) return failure;
  if (const Failure failure = check_expectation(request)) return failure;
  const std::string connection = request.field("connection");
  request.has_body_length =
      request.has_field("content-length") || request.has_field("transfer-encoding");
  request.keep_alive = !has_token(connection, "close") &&
                       (!request.is_http_1_0 || has_token(connection, "keep-alive"));
  return {};
}

}  // namespace

std::string HttpRequest::field(std::string_view lower_case_name) const {
  std::string joined;
  bool is_first = true;
  for (const auto& [name, value] : fields) {
    if (name != lower_case_name) continue;
    if (!is_first) joined += ", ";
    joined += value;
    is_first = false;
  }
  return joined;
}

bool HttpRequest::has_field(std::string_view lower_case_name) const {
  return count_fields(*this, lower_case_name) != 0;
}

struct HttpCodec::Impl {
  enum class Phase : std::uint8_t { idle, method, target, version, fields, body, ready, failed };

  // One request on its way; nothing of it is kept between requests.
  struct Exchange {
    // The head so far: never put into the parser before it is complete, so that nothing is parsed
    // twice. Later the beginning of a chunk header.
    std::string buffer;
    // Where in `buffer` the method, target, version or field line being read starts.
    std::size_t part_start = 0;
    std::size_t fields_start = 0;
    std::size_t field_count = 0;
    RequestParser parser;
  };

  explicit Impl(const HttpLimits& bounds) : limits(bounds) {}

  Status fail(const Failure& failure) {
    phase = Phase::failed;
    error_status = failure.status;
    error_detail = failure.detail;
    exchange.reset();
    return Status::failed;
  }

  Status consume(std::string_view& input) {
    Status status = Status::need_more;
    while (status == Status::need_more && !(input.empty() && phase != Phase::ready)) {
      switch (phase) {
        case Phase::idle:
          status = read_blank_lines(input);
          break;
        case Phase::method:
        case Phase::target:
        case Phase::version:
          status = read_request_line(input);
          break;
        case Phase::fields:
          status = read_fields(input);
          break;
        case Phase::body:
          status = read_body(input);
          break;
        case Phase::ready:
          return Status::request;
        case Phase::failed:
          return Status::failed;
      }
    }
    return phase == Phase::failed ? Status::failed : status;
  }

  Status read_blank_lines(std::string_view& input) {
    for (; !input.empty(); input.remove_prefix(1)) {
      const bool is_after_cr = blank_bytes % 2 == 1;
      if ((input.front() == '\n') != is_after_cr) return fail(kBareLineFeed);
      if (!is_after_cr && input.front() != '\r') {
        blank_bytes = 0;
        exchange = std::make_unique<Exchange>();
        exchange->parser.header_limit(std::numeric_limits<std::uint32_t>::max());
        exchange->parser.body_limit(limits.max_body_bytes);
        exchange->parser.eager(true);
        phase = Phase::method;
        break;
      }
      if (++blank_bytes > kMaxBlankBytes) return fail({400, "Only blank lines arrive."});
    }
    return Status::need_more;
  }

  // Refuses what can be refused before the line is complete.
  Status read_request_line(std::string_view& input) {
    std::string& buffer = exchange->buffer;
    while (!input.empty()) {
      const char c = input.front();
      const std::size_t size = buffer.size() - exchange->part_start;
      input.remove_prefix(1);
      buffer.push_back(c);
      if (phase == Phase::version) {
        if (c == '\n') return complete_request_line();
        if (size >= kVersionBytes) return fail(kBadVersion);
      } else if (c == ' ' && size != 0) {
        phase = phase == Phase::method ? Phase::target : Phase::version;
        exchange->part_start = buffer.size();
      } else if (phase == Phase::method) {
        if (!is_token_char(c)) return fail({400, "The request method is not valid."});
        if (size == kMaxMethodBytes) return fail({501, "The request method is not known."});
      } else {
        if (c <= ' ' || c > '~' || c == '#') return fail(kBadTarget);
        if (size >= limits.max_target_bytes) return fail({414, "The request target is too long."});
      }
    }
    return Status::need_more;
  }

  Status complete_request_line() {
    std::string& buffer = exchange->buffer;
    const std::string_view version = std::string_view(buffer).substr(exchange->part_start);
    if (version.size() != kVersionBytes + 1 || version.substr(0, 5) != "HTTP/" ||
        !is_digit(version[5]) || version[6] != '.' || !is_digit(version[7]) || version[8] != '\r') {
      return fail(kBadVersion);
    }
    if (version[5] != '1') return fail({505, "This server speaks HTTP/1.1."});
    // A higher minor version is read as the highest one known (RFC 9110 2.5).
    if (version[7] > '1') buffer[exchange->part_start + 7] = '1';
    exchange->part_start = exchange->fields_start = buffer.size();
    phase = Phase::fields;
    return Status::need_more;
  }

  Status read_fields(std::string_view& input) {
    std::string& buffer = exchange->buffer;
    // The blank line at the end is not counted; one byte more than may be there shows the excess.
    const std::size_t max_bytes = limits.max_header_bytes + 2;
    while (!input.empty()) {
      const std::size_t line_end = input.find('\n');
      const std::size_t wanted = line_end == std::string_view::npos ? input.size() : line_end + 1;
      const std::size_t size =
          std::min(wanted, max_bytes + 1 - (buffer.size() - exchange->fields_start));
      buffer.append(input.substr(0, size));
      input.remove_prefix(size);
      const std::size_t field_bytes = buffer.size() - exchange->fields_start;
      if (field_bytes > max_bytes) return fail(kTooManyFieldBytes);
      if (buffer.back() != '\n') continue;

      const std::string_view line = std::string_view(buffer).substr(exchange->part_start);
      if (line.size() < 2 || line[line.size() - 2] != '\r') return fail(kBareLineFeed);
      if (line.size() == 2) return complete_fields(input);
      if (line.front() == ' ' || line.front() == '\t') {
        return fail({400, "A header field is folded over several lines."});
      }
      if (field_bytes > limits.max_header_bytes) return fail(kTooManyFieldBytes);
      if (++exchange->field_count > limits.max_header_count) {
        return fail({431, "There are too many header fields."});
      }
      exchange->part_start = buffer.size();
    }
    return Status::need_more;
  }

  Status complete_fields(std::string_view input) {
    RequestParser& parser = exchange->parser;
    beast::error_code error;
    parser.put(boost::asio::buffer(exchange->buffer), error);
    if (error || !parser.is_header_done()) return fail(to_failure(error));
    if (const Failure failure = complete_head(parser.request)) return fail(failure);
    exchange->buffer = {};
    phase = parser.is_done() ? Phase::ready : Phase::body;
    const bool is_client_waiting = phase == Phase::body && input.empty() &&
                                   !parser.request.is_http_1_0 &&
                                   parser.request.has_field("expect");
    return is_client_waiting ? Status::send_continue : Status::need_more;
  }

  // Beast takes whole chunk headers only, so that the beginning of one waits in `buffer`.
  Status read_body(std::string_view& input) {
    RequestParser& parser = exchange->parser;
    std::string& buffer = exchange->buffer;
    while (!parser.is_done() && !input.empty()) {
      const bool is_buffered =
          !buffer.empty() || (parser.chunked() && input.size() < kMinChunkedBytes);
      std::string_view data = input;
      std::size_t taken = 0;
      if (is_buffered) {
        taken = std::min(input.size(), kTopUpBytes);
        buffer.append(input.substr(0, taken));
        input.remove_prefix(taken);
        if (buffer.size() < kMinChunkedBytes) continue;
        data = buffer;
      }
      beast::error_code error;
      const std::size_t used = parser.put(boost::asio::buffer(data.data(), data.size()), error);
      if (error && error != http::error::need_more) return fail(to_failure(error));
      if (is_buffered && data.size() - used > taken) {
        buffer.erase(0, used);
      } else if (is_buffered) {
        // What is left came with this call: back to the input, to be read without a copy.
        const std::size_t left = data.size() - used;
        input = {input.data() - left, input.size() + left};
        buffer.clear();
      } else {
        input.remove_prefix(used);
        if (error == http::error::need_more) {
          buffer = input;
          input = {};
        }
      }
      if (is_overrun(buffer)) return fail(to_failure(http::error::bad_chunk_extension));
      if (buffer.size() > kMaxChunkHeadBytes) {
        return fail({431, "A chunk header or the trailers are too large."});
      }
    }
    if (parser.is_done()) phase = Phase::ready;
    return Status::need_more;
  }

  HttpLimits limits;
  std::unique_ptr<Exchange> exchange;
  std::string error_detail;
  unsigned error_status = 0;
  unsigned blank_bytes = 0;
  Phase phase = Phase::idle;
};

HttpCodec::HttpCodec(const HttpLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
HttpCodec::~HttpCodec() = default;
HttpCodec::HttpCodec(HttpCodec&&) noexcept = default;
HttpCodec& HttpCodec::operator=(HttpCodec&&) noexcept = default;

HttpCodec::Status HttpCodec::consume(std::string_view& input) { return impl_->consume(input); }

HttpRequest HttpCodec::take_request() {
  HttpRequest request = std::move(impl_->exchange->parser.request);
  impl_->exchange.reset();
  impl_->phase = Impl::Phase::idle;
  return request;
}

bool HttpCodec::is_idle() const noexcept { return impl_->phase == Impl::Phase::idle; }
bool HttpCodec::is_reading_body() const noexcept { return impl_->phase == Impl::Phase::body; }
unsigned HttpCodec::error_status() const noexcept { return impl_->error_status; }
const std::string& HttpCodec::error_detail() const noexcept { return impl_->error_detail; }

std::string serialize(const HttpResponse& response, bool is_http_1_0, bool keep_alive, bool is_head,
                      std::string_view date) {
  const bool has_no_content = response.status < 200 || response.status == 204;
  const http::status status = http::int_to_status(response.status);
  const beast::string_view reason = http::obsolete_reason(status);

  std::string text = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  text.reserve(320 + response.body.size());
  if (status != http::status::unknown) text.append(reason.data(), reason.size());
  text += "\r\n";
  const auto add = [&text](std::string_view name, std::string_view value) {
    text.append(name).append(": ");
    std::transform(value.begin(), value.end(), std::back_inserter(text), [](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return (byte < 0x20 && c != '\t') || byte == 0x7f ? ' ' : c;
    });
    text += "\r\n";
  };

  add("Date", date);
  add("Content-Type", "application/json");
  if (!has_no_content) add("Content-Length", std::to_string(response.body.size()));
  std::string connection = !keep_alive ? "close" : is_http_1_0 ? "keep-alive" : "";
  add("X-Content-Type-Options", "nosniff");
  add("Cache-Control", "no-store");
  for (const auto& [name, value] : response.fields) {
    if (name.empty() || !std::all_of(name.begin(), name.end(), is_token_char)) continue;
    add(name, value);
    if (equals_ignoring_case(name, "upgrade")) {
      connection += connection.empty() ? "upgrade" : ", upgrade";
    }
  }
  if (!connection.empty()) add("Connection", connection);
  text += "\r\n";
  if (!is_head && !has_no_content) text += response.body;
  return text;
}

std::string format_http_date(std::int64_t unix_seconds) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  constexpr std::int64_t kEndOfYear9999 = 253402300799;  // the year has four digits

  const std::time_t seconds = std::clamp<std::int64_t>(unix_seconds, 0, kEndOfYear9999);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                kDays[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour,
                utc.tm_min, utc.tm_sec);
  return text.data();
}

}  // namespace voicechan::server

#include "http_codec.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <limits>

#include "header_tokens.hpp"
#include "http_head.hpp"

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

constexpr HttpFailure kBadVersion{400, "The request line does not end in an HTTP version."};
constexpr HttpFailure kTooManyFieldBytes{431, "The header fields are too large."};
constexpr HttpFailure kBareLineFeed{400, "A line does not end in CR LF."};
constexpr HttpFailure kTooLargeBody{413, "The body is too large."};

HttpFailure to_failure(const beast::error_code& error) {
  if (error == http::error::body_limit) return kTooLargeBody;
  if (error == http::error::header_limit) return kTooManyFieldBytes;
  if (error == http::error::bad_line_ending) return kBareLineFeed;
  if (error == http::error::bad_field) return {400, "A header field's name is not valid."};
  if (error == http::error::bad_value) return {400, "A header field's value is not valid."};
  if (error == http::error::bad_target) return kBadTarget;
  if (error == http::error::bad_version) return kBadVersion;
  if (error == http::error::bad_content_length || error == http::error::multiple_content_length ||
      error == http::error::bad_transfer_encoding) {
    return kBadLength;
  }
  if (error == http::error::bad_chunk || error == http::error::bad_chunk_extension) {
    return {400, "The chunked body is malformed."};
  }
  return {400, "The request is malformed."};
}

// In a body only chunks have a syntax. One answer for all of it, wherever the fault is noticed.
HttpFailure to_body_failure(const beast::error_code& error) {
  const bool is_limit = error == http::error::body_limit || error == http::error::header_limit;
  return to_failure(is_limit ? error : http::error::bad_chunk);
}

// Beast's parser, storing straight into our request.
class RequestParser final : public http::basic_parser<true> {
 public:
  HttpRequest request;

  /// Of a chunked body: how much data comes before the next chunk header.
  std::uint64_t chunk_left() const noexcept { return chunk_left_; }
  bool has_chunk() const noexcept { return has_chunk_; }

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

  void on_chunk_header_impl(std::uint64_t size, Text extensions, Error& error) override {
    has_chunk_ = true;
    chunk_left_ = size;
    extension_bytes_ += extensions.size();
    // Beast takes any byte in a quoted string.
    const bool has_control = std::any_of(extensions.begin(), extensions.end(), is_control);
    if (has_control || extension_bytes_ > kMaxChunkExtensionBytes) {
      error = http::error::bad_chunk_extension;
    }
  }

  std::size_t on_chunk_body_impl(std::uint64_t remaining, Text body, Error& error) override {
    chunk_left_ = remaining - body.size();
    return on_body_impl(body, error);
  }

  void on_finish_impl(Error&) override {}

  bool has_chunk_ = false;
  std::uint64_t chunk_left_ = 0;
  std::size_t extension_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
};

// True if what waits for the rest of a chunk header cannot become one, which Beast would notice
// only when the line is complete. `is_first`: there is no chunk before it.
bool is_bad_chunk_header(std::string_view waiting, bool is_first) noexcept {
  constexpr std::size_t kMaxSizeDigits = 16;
  if (!is_first) {
    const std::string_view end_of_data = waiting.substr(0, 2);
    if (end_of_data != std::string_view("\r\n").substr(0, end_of_data.size())) return true;
    waiting.remove_prefix(end_of_data.size());
  }
  const auto digits_end = std::find_if_not(waiting.begin(), waiting.end(), is_hex);
  // Leading zeros change nothing, however many.
  const auto first = std::find_if(waiting.begin(), digits_end, [](char c) { return c != '0'; });
  if (static_cast<std::size_t>(digits_end - first) > kMaxSizeDigits) return true;
  if (digits_end == waiting.end()) return false;
  return digits_end == waiting.begin() ||
         std::string_view("\r; \t").find(*digits_end) == std::string_view::npos;
}

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

}  // namespace

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

  Status fail(const HttpFailure& failure) {
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
        is_head = false;
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
        if (phase == Phase::method) is_head = buffer == "HEAD ";
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
    if (const HttpFailure failure = complete_head(parser.request)) return fail(failure);
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
        if (is_waiting_in_vain()) return fail(to_failure(http::error::bad_chunk));
        if (buffer.size() < kMinChunkedBytes) continue;
        data = buffer;
      }
      beast::error_code error;
      const std::size_t used = parser.put(boost::asio::buffer(data.data(), data.size()), error);
      // Beast looks at a chunk's size before the rest of its header; the rest comes first here, as
      // when the header arrives in pieces.
      if (error == http::error::body_limit && parser.chunked() &&
          is_bad_chunk_header(data.substr(used), !parser.has_chunk())) {
        error = http::error::bad_chunk;
      }
      if (error && error != http::error::need_more) return fail(to_body_failure(error));
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
      if (is_waiting_in_vain() || is_overrun(buffer)) {
        return fail(to_failure(http::error::bad_chunk));
      }
      if (buffer.size() > kMaxChunkHeadBytes) {
        return fail({431, "A chunk header or the trailers are too large."});
      }
    }
    if (parser.is_done()) phase = Phase::ready;
    return Status::need_more;
  }

  bool is_waiting_in_vain() const noexcept {
    const RequestParser& parser = exchange->parser;
    const std::string_view waiting = exchange->buffer;
    if (!parser.chunked() || parser.chunk_left() > waiting.size()) return false;
    const std::string_view header = waiting.substr(static_cast<std::size_t>(parser.chunk_left()));
    return is_bad_chunk_header(header, !parser.has_chunk());
  }

  HttpLimits limits;
  std::unique_ptr<Exchange> exchange;
  std::string error_detail;
  unsigned error_status = 0;
  unsigned blank_bytes = 0;
  bool is_head = false;
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

std::size_t HttpCodec::held_bytes() const noexcept {
  if (impl_->exchange == nullptr) return 0;
  const Impl::Exchange& exchange = *impl_->exchange;
  return exchange.buffer.capacity() + exchange.parser.request.body.capacity();
}

bool HttpCodec::is_idle() const noexcept { return impl_->phase == Impl::Phase::idle; }
bool HttpCodec::is_reading_body() const noexcept { return impl_->phase == Impl::Phase::body; }
bool HttpCodec::is_head_request() const noexcept { return impl_->is_head; }
unsigned HttpCodec::error_status() const noexcept { return impl_->error_status; }
const std::string& HttpCodec::error_detail() const noexcept { return impl_->error_detail; }

}  // namespace voicechan::server

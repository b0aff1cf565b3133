#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base64url.hpp"
#include "credential_error.hpp"
#include "jwk_set.hpp"
#include "jwt_claims.hpp"
#include "jwt_signer.hpp"
#include "jwt_verifier.hpp"
#include "strict_json.hpp"

// The input is read as each of the things that the bearer of a token may choose: JSON text, the
// claims, the header of a token that a key of ours has signed, a whole token, and a part of one
// that was signed as something else.

namespace voicechan::server {
namespace {

namespace json = boost::json;
using std::chrono::seconds;
using Seconds = std::chrono::duration<double>;

constexpr std::size_t kMaxBytes = 8192;
constexpr const char* kKeyId = "1";
constexpr Seconds kRounding{1e-3};  // of a double that counts seconds in the times below
constexpr Seconds kEndOfTime{1e12};

// As RFC 7515 (appendices A.1 and A.3) and RFC 8037 (A.4) publish them with their keys. (A
// signature of ES256 has a twin that is as good, (r, n - s), which no mutation finds.)
constexpr std::array<const char*, 3> kKnownTokens = {
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"};
constexpr const char* kSecret =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
constexpr const char* kPublicKeys = R"(
    {"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
     "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
    {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";

struct KnownToken {
  std::array<std::string, 3> parts;  // decoded
  std::string text;
};

KnownToken decode(const std::string& text) {
  const std::size_t first = text.find('.');
  const std::size_t second = text.rfind('.');
  return {{decode_base64url(text.substr(0, first)).value(),
           decode_base64url(text.substr(first + 1, second - first - 1)).value(),
           decode_base64url(text.substr(second + 1)).value()},
          text};
}

std::string encode(const std::array<std::string, 3>& parts) {
  return base64url(parts[0]) + '.' + base64url(parts[1]) + '.' + base64url(parts[2]);
}

const std::vector<KnownToken>& known_tokens() {
  static const auto* const tokens = [] {
    auto* made = new std::vector<KnownToken>;
    for (const char* text : kKnownTokens) made->push_back(decode(text));
    return made;
  }();
  return *tokens;
}

const JwkSet& keys() {
  static const auto* const set = [] {
    const std::string text = R"({"keys":[{"kty":"oct","kid":")" + std::string(kKeyId) +
                             R"(","k":")" + kSecret + R"("},)" + kPublicKeys + "]}";
    return new JwkSet(std::get<JwkSet>(parse_jwk_set(text, JwtOptions().algorithms)));
  }();
  return *set;
}

std::optional<json::value> parse(std::string_view text) {
  json::error_code error;
  json::value value = json::parse({text.data(), text.size()}, error);
  if (error) return std::nullopt;
  return value;
}

// Strict JSON

/// In valid JSON, a colon that is in no string comes with each member of an object.
std::size_t count_members(std::string_view text) {
  std::size_t members = 0;
  bool is_in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') is_in_string = !is_in_string;
    if (text[i] == '\\') ++i;
    if (i < text.size() && text[i] == ':' && !is_in_string) ++members;
  }
  return members;
}

/// Without those that another one of the same name has replaced.
std::size_t count_members(const json::value& value) {
  std::size_t members = 0;
  if (const auto* const object = value.if_object()) {
    members += object->size();
    for (const auto& member : *object) members += count_members(member.value());
  } else if (const auto* const array = value.if_array()) {
    for (const json::value& element : *array) members += count_members(element);
  }
  return members;
}

void check_json(std::string_view text) {
  const auto strict = parse_strict_object(text);
  const auto value = parse(text);
  ASSERT_EQ(strict.has_value(),
            value && value->is_object() && count_members(text) == count_members(*value));
  // As text: 0e700 is NaN to Boost.JSON, which equals nothing.
  if (strict) EXPECT_EQ(json::serialize(*strict), json::serialize(*value));
}

// Claims

std::optional<Seconds> date(const json::object& claims, const char* name) {
  const json::value* value = claims.if_contains(name);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  const auto seconds = value->to_number<double>();
  if (!std::isfinite(seconds)) return std::nullopt;
  return Seconds(seconds);
}

/// Times on both sides of all at which something may change, in order.
std::vector<WallTime> times_to_try(const std::optional<json::value>& claims, Seconds leeway) {
  std::vector<WallTime> times;
  const auto add = [&times](Seconds time) {
    time = std::clamp(time, -kEndOfTime, kEndOfTime);
    times.emplace_back(std::chrono::duration_cast<WallTime::duration>(time));
  };
  for (const Seconds time : {-kEndOfTime, Seconds(0), Seconds(1'800'000'000), kEndOfTime}) {
    add(time);
  }
  if (!claims || !claims->is_object()) return times;
  for (const char* name : {"exp", "nbf", "iat"}) {
    const auto time = date(claims->get_object(), name);
    if (!time) continue;
    for (const double side : {-1.0, 0.0, 1.0}) {
      add(*time + side * leeway);
      add(*time + side * leeway + Seconds(side));
    }
  }
  std::sort(times.begin(), times.end());
  return times;
}

void check_accepted(const JwtClaims& accepted, const json::object& claims, const WallTime now,
                    const ClaimRules& rules) {
  const Seconds time = now.time_since_epoch();
  const auto expiry = date(claims, "exp");
  ASSERT_TRUE(expiry);
  EXPECT_LT(time, *expiry + rules.leeway + kRounding);
  if (claims.contains("nbf")) {
    const auto begin = date(claims, "nbf");
    ASSERT_TRUE(begin);
    EXPECT_GE(time + rules.leeway, *begin - kRounding);
  }
  EXPECT_FALSE(accepted.subject.empty());
  EXPECT_EQ(claims.at("sub"), json::value(accepted.subject));
  ASSERT_EQ(accepted.id.has_value(), claims.contains("jti"));
  if (accepted.id) EXPECT_EQ(claims.at("jti"), json::value(accepted.id->str()));

  if (!rules.issuer.empty()) EXPECT_EQ(claims.at("iss"), json::value(rules.issuer));
  ASSERT_EQ(claims.contains("aud"), !rules.audiences.empty());
  if (!rules.audiences.empty()) {
    const json::value& audience = claims.at("aud");
    const json::array names =
        audience.is_array() ? audience.get_array() : json::array({audience.get_string()});
    EXPECT_TRUE(std::any_of(names.begin(), names.end(), [&](const json::value& name) {
      const auto& ours = rules.audiences;
      return std::find(ours.begin(), ours.end(), std::string_view(name.as_string())) != ours.end();
    }));
  }
}

/// Over time a token is too early, then has one answer, then is expired; each may be left out.
enum class Phase { early, constant, expired };

Phase phase_of(std::error_code error) {
  if (error == CredentialErrc::early_token) return Phase::early;
  if (error == CredentialErrc::expired_token) return Phase::expired;
  return Phase::constant;
}

void check_payload(std::string_view payload, const ClaimRules& rules) {
  ClaimRules looser = rules;
  looser.issuer.clear();
  looser.leeway += seconds(10);
  if (!looser.audiences.empty()) looser.audiences.emplace_back("another");

  const auto value = parse(payload);
  Phase phase = Phase::early;
  std::optional<Result<JwtClaims>> answer;
  for (const WallTime now : times_to_try(value, rules.leeway)) {
    const Seconds time = now.time_since_epoch();
    const auto result = check_claims(payload, now, rules);
    EXPECT_TRUE(result || is_refusal(result.error()));
    EXPECT_GE(phase_of(result.error()), phase) << "it goes back in time";
    phase = phase_of(result.error());
    switch (phase) {
      case Phase::early:
        EXPECT_LT(time + rules.leeway, date(value->as_object(), "nbf").value() + kRounding);
        break;
      case Phase::constant:
        if (!answer) answer = result;
        EXPECT_EQ(result.error(), answer->error());
        if (!result) break;
        EXPECT_EQ(result->subject, (*answer)->subject);
        check_accepted(*result, value->as_object(), now, rules);
        EXPECT_TRUE(check_claims(payload, now, looser));
        break;
      case Phase::expired:
        EXPECT_GE(time, date(value->as_object(), "exp").value() + rules.leeway - kRounding);
    }
  }
}

// Tokens

/// Verified, or refused as what comes from the network may be.
std::optional<std::string> verify(const std::string& token) {
  auto payload = verify_signature(token, keys(), kMaxBytes);
  if (payload) {
    EXPECT_FALSE(verify_signature(token, keys(), token.size() - 1));
    return *std::move(payload);
  }
  EXPECT_TRUE(payload.error() == CredentialErrc::malformed_token ||
              payload.error() == CredentialErrc::untrusted_token);
  return std::nullopt;
}

bool is_good_header(std::string_view text) {
  const auto header = parse_strict_object(text);
  if (!header || header->contains("crit")) return false;
  const auto is_one_of = [&header](const char* name, const std::vector<std::string>& values) {
    const json::value* value = header->if_contains(name);
    if (value == nullptr || !value->is_string()) return false;
    std::string found(std::string_view(value->get_string()));
    if (name == std::string_view("typ")) {
      for (char& c : found) c = 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return std::find(values.begin(), values.end(), found) != values.end();
  };
  return is_one_of("alg", {"HS256"}) && (!header->contains("kid") || is_one_of("kid", {kKeyId})) &&
         (!header->contains("typ") ||
          is_one_of("typ", {"jwt", "at+jwt", "application/jwt", "application/at+jwt"}));
}

void check_signed_header(std::string_view header) {
  static const JwtSigner signer = JwtSigner::secret(decode_base64url(kSecret).value());
  const auto payload = verify(signer.sign(header, "{}"));
  // Not the other way round: cjose's JSON reader refuses some numbers that ours takes, and U+0000.
  if (!payload) return;
  EXPECT_TRUE(is_good_header(header));
  EXPECT_EQ(*payload, "{}");
}

void check_token(const std::string& token) {
  const auto& known = known_tokens();
  const auto same = std::find_if(known.begin(), known.end(),
                                 [&](const KnownToken& one) { return one.text == token; });
  const auto payload = verify(token);
  ASSERT_EQ(payload.has_value(), same != known.end()) << token;
  if (payload) EXPECT_EQ(*payload, same->parts[1]);
}

void check(std::string_view input) {
  check_json(input);

  check_payload(input, ClaimRules{"", {}, seconds(0)});
  check_payload(input, ClaimRules{"joe", {"voice", "rtc"}, seconds(30)});

  check_signed_header(input);
  check_token(std::string(input));
  // One token an input, drawn from it, for these reach the slow signatures.
  const std::size_t drawn = std::hash<std::string_view>()(input) % known_tokens().size();
  for (std::size_t part = 0; part < 3; ++part) {
    auto parts = known_tokens()[drawn].parts;
    parts[part] = input;
    check_token(encode(parts));
  }
}

}  // namespace
}  // namespace voicechan::server

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  voicechan::server::check({reinterpret_cast<const char*>(data), size});
  return 0;
}

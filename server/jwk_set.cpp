#include "jwk_set.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "strict_json.hpp"

namespace voicechan::server {
namespace {

namespace json = boost::json;

// A token without "kid" is tried with all of its algorithm.
constexpr std::size_t kMaxKeys = 100;

std::variant<JwtKey, std::string> read_key(const json::value& value,
                                           const std::vector<JwtAlgorithm>& algorithms) {
  if (!value.is_object()) return std::string("it is no JSON object");
  auto read = JwtKey::from_jwk(value.get_object());
  const auto* key = std::get_if<JwtKey>(&read);
  if (key == nullptr) return read;
  if (std::find(algorithms.begin(), algorithms.end(), key->algorithm()) == algorithms.end()) {
    return std::string(to_string(key->algorithm())) + " is switched off";
  }
  return read;
}

}  // namespace

std::variant<JwkSet, std::string> parse_jwk_set(std::string_view text,
                                                const std::vector<JwtAlgorithm>& algorithms) {
  const auto object = parse_strict_object(text);
  const json::value* keys = object ? object->if_contains("keys") : nullptr;
  if (keys == nullptr || !keys->is_array()) {
    return std::string("not a JWK Set: {\"keys\": […]} is wanted");
  }
  if (keys->get_array().size() > kMaxKeys) return std::string("it has more than 100 keys");

  JwkSet set;
  for (std::size_t i = 0; i < keys->get_array().size(); ++i) {
    auto read = read_key(keys->get_array()[i], algorithms);
    if (auto* key = std::get_if<JwtKey>(&read)) {
      set.keys.push_back(std::move(*key));
    } else {
      set.skipped.push_back("key " + std::to_string(i + 1) + ": " + std::get<std::string>(read));
    }
  }
  if (set.keys.empty() && !set.skipped.empty()) return "no key can be used; " + set.skipped.front();
  return set;
}

}  // namespace voicechan::server

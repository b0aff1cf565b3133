#include "report.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <string>

namespace voicechan::load {
namespace {

constexpr std::size_t kNameWidth = 28;

std::string with_separators(std::string digits) {
  const std::size_t first = digits[0] == '-' ? 1 : 0;
  const std::size_t end = std::min(digits.find('.'), digits.size());
  for (std::size_t at = end; at > first + 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string number_text(double value) {
  const double magnitude = std::abs(value);
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", magnitude >= 1000 ? 0 : magnitude >= 10 ? 1 : 3, value);
  return with_separators(text);
}

std::string scalar_text(const boost::json::value& value) {
  if (value.is_string()) {
    return std::string(value.get_string());
  }
  if (value.is_double()) return number_text(value.get_double());
  if (value.is_int64()) return with_separators(std::to_string(value.get_int64()));
  if (value.is_uint64()) return with_separators(std::to_string(value.get_uint64()));
  return boost::json::serialize(value);
}

std::string title(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

void print_object(std::ostream& out, const boost::json::object& object, std::size_t indent) {
  const std::string space(indent, ' ');
  for (const auto& member : object) {
    const std::string name = title(std::string(member.key()));
    const boost::json::value& value = member.value();
    if (value.is_object()) {
      out << space << name << '\n';
      print_object(out, value.get_object(), indent + 2);
    } else if (value.is_array()) {
      for (const auto& element : value.get_array()) {
        out << space << name << '\n';
        print_object(out, element.get_object(), indent + 2);
      }
    } else {
      const std::size_t used = indent + name.size();
      out << space << name << std::string(used < kNameWidth ? kNameWidth - used : 1, ' ') << ' '
          << scalar_text(value) << '\n';
    }
  }
}

}  // namespace

double rounded(double value) noexcept { return std::round(value * 1000) / 1000; }

double to_us(std::int64_t ns) noexcept { return rounded(static_cast<double>(ns) / 1000); }

boost::json::object percentiles_us(const Histogram& histogram) {
  return {{"p50", to_us(histogram.percentile(50))},
          {"p90", to_us(histogram.percentile(90))},
          {"p99", to_us(histogram.percentile(99))},
          {"p99.9", to_us(histogram.percentile(99.9))},
          {"max", to_us(histogram.max())}};
}

void print_text(std::ostream& out, const boost::json::object& report) {
  print_object(out, report, 0);
}

void print_json(std::ostream& out, const boost::json::object& report) {
  out << boost::json::serialize(report) << '\n';
}

}  // namespace voicechan::load

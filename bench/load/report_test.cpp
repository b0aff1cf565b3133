#include "report.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <sstream>

namespace voicechan::load {
namespace {

TEST(ReportTest, TextHasALineForEachValue) {
  std::ostringstream out;
  print_text(out, {{"mode", "relay"},
                   {"deliveries_per_s", 1234567.8},
                   {"faults", {{"lost", -1234}, {"a_b", 0.5}}},
                   {"reader", boost::json::array{boost::json::object{{"member", 1u}},
                                                 boost::json::object{{"member", 2u}}}}});
  EXPECT_EQ(out.str(),
            "mode                         relay\n"
            "deliveries per s             1,234,568\n"
            "faults\n"
            "  lost                       -1,234\n"
            "  a b                        0.500\n"
            "reader\n"
            "  member                     1\n"
            "reader\n"
            "  member                     2\n");
}

TEST(ReportTest, JsonIsOneLine) {
  std::ostringstream out;
  print_json(out, {{"lost", 0}, {"latency_us", {{"p50", 1.5}}}});
  EXPECT_EQ(out.str().find('\n'), out.str().size() - 1);
  EXPECT_EQ(boost::json::parse(out.str()),
            (boost::json::value{{"lost", 0}, {"latency_us", {{"p50", 1.5}}}}));
}

TEST(ReportTest, PercentilesAreMicroseconds) {
  Histogram histogram;
  for (int i = 0; i < 100; ++i) histogram.record(1500);
  histogram.record(2'000'000);
  const auto percentiles = percentiles_us(histogram);
  EXPECT_EQ(percentiles.at("p50"), 1.5);
  EXPECT_EQ(percentiles.at("p99"), 1.5);
  EXPECT_EQ(percentiles.at("max"), 2000.0);
}

}  // namespace
}  // namespace voicechan::load

#include "histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace voicechan::load {
namespace {

TEST(HistogramTest, EmptyOneHasOnlyZeros) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.max(), 0);
  EXPECT_EQ(histogram.percentile(99), 0);
}

TEST(HistogramTest, SmallValuesAreExact) {
  Histogram histogram;
  for (int i = 1; i <= 1000; ++i) histogram.record(i);
  EXPECT_EQ(histogram.percentile(0), 1);
  EXPECT_EQ(histogram.percentile(50), 500);
  EXPECT_EQ(histogram.percentile(99.9), 999);
  EXPECT_EQ(histogram.percentile(100), 1000);
}

TEST(HistogramTest, EveryValueIsFoundWithinAThousandth) {
  for (std::int64_t value = 1; value < 100'000'000'000; value += value / 3 + 1) {
    Histogram histogram;
    histogram.record(value);
    histogram.record(Histogram::kMaxNs);
    EXPECT_GE(histogram.percentile(50), value);
    EXPECT_LE(histogram.percentile(50), value + value / 1000);
  }
}

TEST(HistogramTest, PercentilesAgreeWithSortedValues) {
  const auto seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::mt19937_64 random(seed);
  std::lognormal_distribution<double> durations(12, 3);
  Histogram histogram;
  std::vector<std::int64_t> sorted(20'000);
  for (auto& value : sorted) {
    value = std::min(static_cast<std::int64_t>(durations(random)), Histogram::kMaxNs);
    histogram.record(value);
  }
  std::sort(sorted.begin(), sorted.end());
  for (const double percent : {1.0, 50.0, 90.0, 99.0, 99.9}) {
    const auto exact = sorted[static_cast<std::size_t>(percent / 100 * 20'000) - 1];
    EXPECT_NEAR(static_cast<double>(histogram.percentile(percent)), static_cast<double>(exact),
                static_cast<double>(exact) * 0.001 + 1)
        << "seed " << seed;
  }
}

TEST(HistogramTest, TooLongOnesCountAndTheMaximumStaysExact) {
  Histogram histogram;
  histogram.record(500'000'000'000);
  EXPECT_EQ(histogram.count(), 1u);
  EXPECT_EQ(histogram.max(), 500'000'000'000);
  EXPECT_EQ(histogram.percentile(50), Histogram::kMaxNs);
}

TEST(HistogramTest, NegativeOnesCountAsZero) {
  Histogram histogram;
  histogram.record(-5);
  EXPECT_EQ(histogram.count(), 1u);
  EXPECT_EQ(histogram.percentile(100), 0);
}

}  // namespace
}  // namespace voicechan::load

#include "outbox_model.hpp"

#include <random>

namespace voicechan {
namespace {

TEST(OutboxModelTest, RandomOperationsAgreeWithTheModel) {
  const std::uint64_t first_seed = std::random_device()();
  for (std::uint64_t seed = first_seed; seed < first_seed + 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    OutboxModel([&](std::size_t bound) {
      return static_cast<std::size_t>(random() % bound);
    }).run(400);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace voicechan

#include "voicechan/random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

namespace voicechan {
namespace {

class KernelRandom final : public RandomSource {
 public:
  void fill(void* bytes, std::size_t size) noexcept override {
    auto* out = static_cast<unsigned char*>(bytes);
    while (size > 0) {
      const ssize_t taken = ::getrandom(out, size, 0);
      if (taken < 0) {
        if (errno == EINTR) continue;
        std::abort();  // no kernel we run on lacks getrandom; guessable ids are no fallback
      }
      out += taken;
      size -= static_cast<std::size_t>(taken);
    }
  }
};

}  // namespace

RandomSource& system_random() noexcept {
  static KernelRandom random;
  return random;
}

std::uint64_t random_number() noexcept {
  std::uint64_t number = 0;
  system_random().fill(&number, sizeof number);
  return number;
}

}  // namespace voicechan

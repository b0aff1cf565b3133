#include <fuzzer/FuzzedDataProvider.h>

#include "outbox_model.hpp"

// The input is a list of choices: what is queued, dropped and sent. Outbox and model must agree.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  voicechan::OutboxModel model(
      [&](std::size_t bound) { return input.ConsumeIntegralInRange<std::size_t>(0, bound - 1); });
  // Without input all choices are 0: pushes.
  while (input.remaining_bytes() > 0) model.run(1);
  return 0;
}

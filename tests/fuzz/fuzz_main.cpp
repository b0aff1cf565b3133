#include <gtest/gtest.h>

// The targets use GoogleTest's checks, as the unit tests do with which they share code: a check
// that fails throws, and what is thrown out of a target is a finding.

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);

int LLVMFuzzerInitialize(int* argc, char*** argv) {
  ::testing::InitGoogleTest(argc, *argv);
  ::testing::FLAGS_gtest_throw_on_failure = true;
  return 0;
}

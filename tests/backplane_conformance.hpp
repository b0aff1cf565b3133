#pragma once

// What backplane.hpp promises, for every implementation. A test file instantiates it with
//   INSTANTIATE_TEST_SUITE_P(InProcess, BackplaneConformanceTest,
//                            ::testing::Values(BackplaneFactory{…}),
//                            ::testing::PrintToStringParamName());
// and BackplaneThreadsTest in the same way.

#include "backplane_lifetime_conformance.hpp"
#include "backplane_messages_conformance.hpp"
#include "backplane_threads_conformance.hpp"

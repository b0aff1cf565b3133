#pragma once

#include "options.hpp"
#include "report.hpp"

namespace voicechan::load {

/// Each runs the whole load of its name. Throws ConnectFailure.
Outcome run_relay(const Options& options);
Outcome run_idle(const Options& options);
Outcome run_listen(const Options& options);
Outcome run_signaling(const Options& options);

}  // namespace voicechan::load

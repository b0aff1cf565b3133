#pragma once

#include <exception>

#include "voicechan/error.hpp"

namespace voicechan {

/// Runs an operation of a store, whose methods may not throw; out of memory is the store being
/// unavailable.
template <class Operation>
auto answer(Operation operation) noexcept -> decltype(operation()) {
  try {
    return operation();
  } catch (const std::exception&) {
    return Errc::store_unavailable;
  }
}

}  // namespace voicechan

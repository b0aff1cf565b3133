#pragma once

#include <cassert>
#include <system_error>
#include <utility>
#include <variant>

#include "voicechan/error.hpp"

namespace voicechan {

/// A value, or the reason why there is none. An ordinary refusal is an answer here, never an
/// exception. Reading the value of a failed result is a programming
/// error and ends the process.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(std::error_code error) : state_(std::in_place_index<1>, error) { assert(error); }
  Result(Errc code) : Result(make_error_code(code)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  /// The value of one that has it; whether it has is for the caller to know.
  T& value() & noexcept { return std::get<0>(state_); }
  const T& value() const& noexcept { return std::get<0>(state_); }
  /// The same, moved out.
  T value() && noexcept { return std::get<0>(std::move(state_)); }
  T& operator*() & noexcept { return value(); }
  const T& operator*() const& noexcept { return value(); }
  T operator*() && noexcept { return std::move(*this).value(); }
  T* operator->() noexcept { return &value(); }
  const T* operator->() const noexcept { return &value(); }

  /// The reason; an empty code if there is a value.
  std::error_code error() const noexcept {
    const auto* error = std::get_if<1>(&state_);
    return error ? *error : std::error_code();
  }

 private:
  std::variant<T, std::error_code> state_;
};

}  // namespace voicechan

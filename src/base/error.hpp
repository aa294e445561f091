// Errors are values: a code, a sentence, and a trail of notes added on the way up. Result<T> follows std::expected's names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace slipway {

enum class ErrorCode : uint8_t {
  invalid_argument,  ///< the caller's names, shapes, types or options are wrong
  invalid_model,     ///< a model or engine file says something that cannot be
  unsupported,       ///< valid, but this build cannot do it
  not_found,
  io,          ///< the operating system refused
  limit,       ///< a named limit would be exceeded
  data_fault,  ///< the data itself: index out of range, division by zero, ...
  cancelled,
  deadline,
  unavailable,  ///< queue full or shutting down
  internal,     ///< a defect of slipway
};

/// Stable lower-case word for a code, such as "invalid_model".
std::string_view name(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;             ///< one sentence: what, where, what to do
  std::vector<std::string> notes;  ///< innermost first: "while reading node 'conv1'"

  Error(ErrorCode c, std::string text) : code(c), message(std::move(text)) {}
  Error&& with(std::string note) && {
    notes.push_back(std::move(note));
    return std::move(*this);
  }
  /// The sentence and its notes on one line.
  std::string text() const;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  Error& error() & { return *std::get_if<1>(&state_); }
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  void value() const {}
  Error& error() & { return *error_; }
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace slipway

/// `auto x = TRY(expression);` or `TRY(expression);`: the value of a Result, or return its error from this function.
#define TRY(...) SLIPWAY_TRY(SLIPWAY_JOIN(slipway_result_, __COUNTER__), __VA_ARGS__)
#define SLIPWAY_JOIN(a, b) SLIPWAY_JOIN_EXPANDED(a, b)
#define SLIPWAY_JOIN_EXPANDED(a, b) a##b
#define SLIPWAY_TRY(result, ...)                   \
  __extension__({                                  \
    auto result = (__VA_ARGS__);                   \
    if (!result) return std::move(result).error(); \
    std::move(result).value();                     \
  })

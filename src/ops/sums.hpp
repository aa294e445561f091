// Arithmetic of products and sums in reference kernels: doubles, or integers modulo 2^64 (never overflowing, as hardware sums).
#pragma once

#include <cmath>

#include "ops/reference.hpp"

namespace slipway::ops {

/// Calls f with a value of double (floats) or uint64_t (integers: load() extends the sign, store() keeps the low bits).
template <class F>
auto in_sum_domain(ElementType type, F&& f) {
  return is_float(type) ? f(double{}) : f(uint64_t{});
}

/// v * by in that domain; integers are truncated and saturate at the limits of 64 bits.
inline double scaled(double v, float by, bool) {
  return v * static_cast<double>(by);
}
inline uint64_t scaled(uint64_t v, float by, bool is_signed) {
  const double exact =
      (is_signed ? static_cast<double>(static_cast<int64_t>(v)) : static_cast<double>(v)) * static_cast<double>(by);
  if (std::isnan(exact)) return 0;
  constexpr double kEnd = 0x1p63;
  if (is_signed) {
    if (exact >= kEnd) return static_cast<uint64_t>(INT64_MAX);
    return static_cast<uint64_t>(exact <= -kEnd ? INT64_MIN : static_cast<int64_t>(exact));
  }
  return exact >= 2 * kEnd ? UINT64_MAX : exact <= 0 ? 0 : static_cast<uint64_t>(exact);
}

}  // namespace slipway::ops

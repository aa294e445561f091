// Comparing answers: type, shape, then element by element.
#pragma once

#include <string>

#include "ir/value.hpp"

namespace slipway::cli {

struct Allowed {
  double rtol = 1e-3, atol = 1e-7;
};

/// Empty when `got` equals `want` within |got - want| <= atol + rtol * |want| (floats; NaN equals NaN, infinities must be equal;
/// everything else exactly), else a sentence about the first differing element.
std::string first_difference(const ir::Value& got, const ir::Value& want, const Allowed& allowed);

/// Largest |got - want| over the largest |want|; infinity when types or shapes differ or one is not a number.
double scaled_error(const Tensor& got, const Tensor& want);

}  // namespace slipway::cli

// EltwiseProgram: a chain or tree of elementwise steps, run by the standalone kernel (eltwise/kernel.hpp) and as the tail of
// GEMM and convolution. Portable data: it names no register and no machine.
//
// Values have types; they are computed in lanes of 32 bits: floats of up to 32 bits as fp32, integers of up to 32 bits and bools
// (0 or 1) as int32. A narrow float is rounded where it is stored or cast to its type, a narrow integer wraps at every step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/element_type.hpp"

namespace slipway::eltwise {

/// How an operand spreads over a [rows, columns] result.
enum class Spread : uint8_t {
  full,    ///< its own value for each element
  column,  ///< one value a column (a row vector: bias over channels of NHWC)
  row,     ///< one value a row
  scalar,  ///< one value
};

/// x is the step's first value, y its second.
enum class Fn : uint8_t {
  // no source
  constant,  ///< alpha, or of integers `integer`
  // one source
  neg,
  abs,
  reciprocal,
  sqrt,
  square,
  floor,
  ceil,
  round_even,
  trunc,
  sign,
  exp,
  log,
  tanh,
  sigmoid,
  erf,
  softplus,
  relu,
  leaky_relu,    ///< x < 0 ? alpha * x : x
  elu,           ///< x < 0 ? alpha * (exp(x) - 1) : x
  hard_sigmoid,  ///< max(0, min(1, alpha * x + beta))
  hard_swish,    ///< x * max(0, min(1, x / 6 + 1 / 2))
  gelu,          ///< x / 2 * (1 + erf(x / sqrt(2)))
  gelu_tanh,     ///< x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))
  silu,          ///< x * sigmoid(alpha * x); alpha 1 is SiLU
  mish,          ///< x * tanh(softplus(x))
  clip,          ///< min(max(x, alpha), beta); NaN stays NaN
  affine,        ///< alpha * x + beta, in two roundings
  cast,          ///< by Cast's rules, from the source's type to the step's
  logical_not,
  bit_not,
  is_nan,
  is_inf,
  // two sources
  add,
  sub,
  mul,
  div,
  min,
  max,    ///< min and max give NaN when either is NaN
  prelu,  ///< x < 0 ? y * x : x
  equal,  ///< comparisons give a bool
  less,
  less_or_equal,
  bit_and,
  bit_or,
  bit_xor,
  // three sources
  where,  ///< x ? y : z
};

constexpr bool is_binary(Fn fn) {
  return fn >= Fn::add;
}

struct Step {
  Fn fn;
  uint8_t x = 0, y = 0;  ///< value numbers: operands first, then steps in order
  float alpha = 0, beta = 0;
  uint8_t z = 0;
  ElementType type = ElementType::f32;  ///< of the result
  int32_t integer = 0;
  bool operator==(const Step&) const = default;
};

constexpr int kMaxOperands = 8;

/// Types that fit a lane: f32, f16, bf16, bool and integers of 8, 16 and (signed) 32 bits.
bool is_lane_type(ElementType type);
/// Whether a lane of this type is an int32.
bool is_integer_lane(ElementType type);

/// Values are numbered: operands 0 .. operands.size() - 1, then one a step. The last step is the result.
/// As a GEMM tail, operand 0 is the sum itself (Spread::full) and has no memory.
struct EltwiseProgram {
  std::vector<Spread> operands;
  std::vector<Step> steps;
  std::vector<ElementType> types;  ///< of the operands; those beyond its end are f32

  bool operator==(const EltwiseProgram&) const = default;
  bool empty() const { return steps.empty(); }

  /// Appends and returns the number of the new value. Operands come before any step.
  uint8_t operand(Spread spread);
  /// Of an operand or step; the type of the last one is that of the result.
  ElementType type(size_t value) const;
  ElementType result_type() const { return type(operands.size() + steps.size() - 1); }
  uint8_t step(Fn fn, uint8_t x = 0, uint8_t y = 0, float alpha = 0, float beta = 0);

  /// Sources precede their steps, at least one step, at most kMaxOperands operands and 240 values.
  bool valid() const;
  /// Vector instructions an element vector costs, roughly.
  int cost() const;
  /// "v2 = add v0 v1; v3 = relu v2": equal programs have equal text.
  std::string text() const;
};

/// A tail that starts with the sum as value 0: `auto t = tail(); auto b = t.operand(Spread::column); t.step(Fn::add, 0, b);`
inline EltwiseProgram tail() {
  return EltwiseProgram{{Spread::full}, {}, {}};
}

}  // namespace slipway::eltwise

// Vector mathematics as emitters over virtual registers. AVX2 and AVX-512 give the same bits.
// Bounds are tested over all of the finite range in strides against double precision (tests/unit/kernels/x64/vecmath_test.cpp);
// ULP means distance to the true value in units of the last place of the fp32 result, denormal results included.
// NaN gives NaN everywhere; infinities and overflow follow the C library unless said.
#pragma once

#include "kernels/x64/jit/program.hpp"

namespace slipway::jit {

Vec emit_abs(Program& p, Vec x);
Vec emit_neg(Program& p, Vec x);
/// The larger, NaN when either is NaN (maxps alone forgets the first operand's).
Vec emit_max(Program& p, Vec a, Vec b, Vec into = {});
/// x < 0 ? if_negative : otherwise; NaN counts as not negative.
Vec emit_select_negative(Program& p, Vec x, Operand if_negative, Vec otherwise);

Vec emit_exp(Program& p, Vec x);                       ///< 1.0 ULP
Vec emit_log(Program& p, Vec x);                       ///< 1.5 ULP; 0 gives -inf, negatives NaN, denormals are exact inputs
Vec emit_tanh(Program& p, Vec x);                      ///< 3.0 ULP
Vec emit_sigmoid(Program& p, Vec x);                   ///< 2.5 ULP
Vec emit_erf(Program& p, Vec x);                       ///< 6.0 ULP
Vec emit_softplus(Program& p, Vec x);                  ///< 3.0 ULP
Vec emit_gelu(Program& p, Vec x);                      ///< x/2 (1 + erf(x / sqrt 2)); absolute error 2.5e-7 * |x|
Vec emit_gelu_tanh(Program& p, Vec x);                 ///< absolute error 2.5e-7 * |x|
Vec emit_silu(Program& p, Vec x, float alpha = 1.0F);  ///< x * sigmoid(alpha x); 3.5 ULP for alpha 1 (or 1e-43); -inf gives NaN
Vec emit_hard_swish(Program& p, Vec x);                ///< absolute error 2e-7 * |x|
Vec emit_mish(Program& p, Vec x);                      ///< 5.0 ULP (or 1e-43); -inf gives NaN
Vec emit_elu(Program& p, Vec x, float alpha);          ///< 2.5 ULP for alpha 1

}  // namespace slipway::jit

// Polynomials are minimax fits (Lawson iteration on Chebyshev nodes); the argument reductions are Cody and Waite's.
#include "kernels/x64/jit/vecmath.hpp"

#include <array>
#include <limits>
#include <span>

namespace slipway::jit {

namespace {

constexpr uint32_t kSignBit = 0x80000000;
constexpr float kLog2e = 1.44269504F;
constexpr float kLn2 = 0.693147182F;         // nearest float
constexpr float kLn2Rest = -1.90465421e-9F;  // ln 2 - kLn2
constexpr float kLn2Short = 0.693359375F;    // times a small integer is exact
constexpr float kLn2ShortRest = -2.12194440e-4F;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// (exp(r) - 1 - r) / r^2 on |r| <= ln 2 / 2, relative error of exp 3.1e-9.
constexpr std::array<float, 5> kExp = {4.999999404e-01F, 1.666651964e-01F, 4.166839272e-02F, 8.368780836e-03F, 1.381446491e-03F};
// (log(1 + f) - f + f^2 / 2) / f^3 on [sqrt(1/2) - 1, sqrt(2) - 1], relative error of log 7.5e-10.
constexpr std::array<float, 9> kLog = {3.333331347e-01F,  -2.500000894e-01F, 2.000211924e-01F,
                                       -1.666799635e-01F, 1.421955079e-01F,  -1.240559146e-01F,
                                       1.188817471e-01F,  -1.167564094e-01F, 6.746601313e-02F};
// log(1 + u) / u on [0, 1], relative error 4.7e-9.
constexpr std::array<float, 10> kLog1p = {1.0F,
                                          -4.999990165e-01F,
                                          3.332996368e-01F,
                                          -2.495413274e-01F,
                                          1.967593133e-01F,
                                          -1.530556977e-01F,
                                          1.060361713e-01F,
                                          -5.695915967e-02F,
                                          1.985126175e-02F,
                                          -3.243980929e-03F};
// erf(x) / x = P(x^2) / Q(x^2) on |x| <= 3.925, relative error 1.9e-8; beyond, erf rounds to one.
constexpr std::array<float, 6> kErfP = {1.128379107e+00F, 1.905880272e-01F, 5.276845768e-02F,
                                        3.772283671e-03F, 2.848342119e-04F, 2.046027475e-06F};
constexpr std::array<float, 6> kErfQ = {
    1.0F, 5.022369623e-01F, 1.141802818e-01F, 1.498266403e-02F, 1.163787092e-03F, 3.804728840e-05F};
constexpr float kErfOne = 3.92F;

Vec horner(Program& p, Vec x, std::span<const float> c) {
  Vec sum = p.constant(c.back());
  for (size_t i = c.size() - 1; i-- > 0;) p.fmadd213(sum, x, c[i]);
  return sum;
}

struct Reduced {
  Vec n;      ///< integral
  Vec expm1;  ///< exp(r) - 1 with x = n ln 2 + r
};

/// Precondition: |x| < 128 (or NaN).
Reduced reduce(Program& p, Vec x) {
  const Vec n = p.round(p.mul(x, kLog2e), Round::nearest_even);
  const Vec r = p.copy(x);
  p.fnmadd231(r, n, kLn2);
  p.fnmadd231(r, n, kLn2Rest);
  const Vec q = horner(p, r, kExp);
  p.fmadd213(q, p.mul(r, r), r);
  return {n, q};
}

/// exp(x) - 1 for x in [-87, 88], 2 ULP.
Vec expm1_within(Program& p, Vec x) {
  const Reduced e = reduce(p, x);
  const Vec power = p.shl(p.iadd(p.to_int(e.n), Operand::constant_bits(127)), 23);
  const Vec less_one = p.sub(power, 1.0F);
  p.fmadd213(e.expm1, power, less_one);
  return e.expm1;
}

// min and max return their second source on NaN, so the value stands second.
Vec at_most(Program& p, Vec x, float bound) {
  return p.min(p.constant(bound), x);
}
Vec at_least(Program& p, Vec x, float bound) {
  return p.max(p.constant(bound), x);
}

Vec negative_abs(Program& p, Vec x) {
  return p.bit_or(x, Operand::constant_bits(kSignBit));
}
Vec with_sign_of(Program& p, Vec magnitude, Vec x) {
  return p.bit_or(p.bit_and(x, Operand::constant_bits(kSignBit)), magnitude);
}

}  // namespace

Vec emit_abs(Program& p, Vec x) {
  return p.bit_and(x, Operand::constant_bits(~kSignBit));
}
Vec emit_max(Program& p, Vec a, Vec b, Vec into) {
  const Vec larger = p.max(a, b), out = p.blend(p.compare(a, Compare::unordered, a), a, larger);
  if (into.id < 0) return out;
  p.assign(into, out);
  return into;
}
Vec emit_neg(Program& p, Vec x) {
  return p.bit_xor(x, Operand::constant_bits(kSignBit));
}

Vec emit_select_negative(Program& p, Vec x, Operand if_negative, Vec otherwise) {
  return p.blend(p.compare(x, Compare::lt, 0.0F), if_negative, otherwise);
}

Vec emit_exp(Program& p, Vec x) {
  const Reduced e = reduce(p, at_least(p, at_most(p, x, 89.0F), -104.5F));
  return p.scale2(p.add(e.expm1, 1.0F), e.n);
}

Vec emit_log(Program& p, Vec x) {
  const Mask small = p.compare(x, Compare::lt, std::numeric_limits<float>::min());
  const Vec normal = p.blend(small, p.mul(x, 8388608.0F), x);
  const Vec lift = p.blend(small, p.constant(23.0F), p.zero());
  const Vec k = p.sar(p.isub(normal, Operand::constant_bits(0x3F3504F3)), 23);  // sqrt(1/2)
  const Vec f = p.sub(p.isub(normal, p.shl(k, 23)), 1.0F);
  const Vec e = p.sub(p.to_float(k), lift);

  const Vec square = p.mul(f, f);
  const Vec y = p.mul(horner(p, f, kLog), f);
  p.fmadd213(y, square, p.mul(e, kLn2ShortRest));
  p.fnmadd231(y, square, 0.5F);
  Vec result = p.add(f, y);
  p.fmadd231(result, e, kLn2Short);

  result = p.blend(p.compare(x, Compare::not_lt, kInfinity), x, result);
  result = p.blend(p.compare(x, Compare::lt, 0.0F), p.constant(std::numeric_limits<float>::quiet_NaN()), result);
  return p.blend(p.compare(x, Compare::eq, 0.0F), p.constant(-kInfinity), result);
}

Vec emit_tanh(Program& p, Vec x) {
  const Vec magnitude = emit_abs(p, x);
  const Vec e = expm1_within(p, at_most(p, p.add(magnitude, magnitude), 19.0F));
  return with_sign_of(p, p.div(e, p.add(e, 2.0F)), x);
}

Vec emit_sigmoid(Program& p, Vec x) {
  const Vec e = emit_exp(p, negative_abs(p, x));
  const Vec numerator = emit_select_negative(p, x, e, p.constant(1.0F));
  return p.div(numerator, p.add(e, 1.0F));
}

Vec emit_erf(Program& p, Vec x) {
  const Vec t = p.mul(x, x);
  const Vec numerator = p.mul(horner(p, t, kErfP), x);
  const Vec ratio = p.div(numerator, horner(p, t, kErfQ));
  const Mask saturated = p.compare(emit_abs(p, x), Compare::ge, kErfOne);
  return p.blend(saturated, with_sign_of(p, p.constant(1.0F), x), ratio);
}

Vec emit_softplus(Program& p, Vec x) {
  const Vec u = emit_exp(p, negative_abs(p, x));
  const Vec tail = horner(p, u, kLog1p);
  p.fmadd213(tail, u, p.max(p.zero(), x));
  return tail;
}

Vec emit_gelu(Program& p, Vec x) {
  const Vec half = p.mul(x, 0.5F);
  const Vec e = emit_erf(p, p.mul(x, 0.707106769F));
  return p.mul(half, p.add(e, 1.0F));
}

Vec emit_gelu_tanh(Program& p, Vec x) {
  const Vec inner = p.mul(p.mul(x, x), 0.044715F);
  p.fmadd213(inner, x, x);
  const Vec t = emit_tanh(p, p.mul(inner, 0.797884583F));
  return p.mul(p.mul(x, 0.5F), p.add(t, 1.0F));
}

Vec emit_silu(Program& p, Vec x, float alpha) {
  return p.mul(x, emit_sigmoid(p, alpha == 1.0F ? x : p.mul(x, alpha)));
}

Vec emit_hard_swish(Program& p, Vec x) {
  const Vec gate = p.add(p.mul(x, 1.0F / 6.0F), 0.5F);
  return p.mul(x, at_most(p, at_least(p, gate, 0.0F), 1.0F));
}

Vec emit_mish(Program& p, Vec x) {
  // tanh(log(1 + e)) = n / (n + 2) with n = e (e + 2).
  const Vec e = emit_exp(p, at_most(p, x, 20.0F));
  const Vec n = p.mul(p.add(e, 2.0F), e);
  return p.mul(x, p.div(n, p.add(n, 2.0F)));
}

Vec emit_elu(Program& p, Vec x, float alpha) {
  const Vec e = expm1_within(p, at_most(p, at_least(p, x, -87.0F), 0.0F));
  return emit_select_negative(p, x, p.mul(e, alpha), x);
}

}  // namespace slipway::jit

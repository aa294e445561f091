#include "kernels/x64/eltwise/emit.hpp"

#include <limits>
#include <vector>

#include "kernels/x64/jit/vecmath.hpp"

namespace slipway::eltwise {

namespace {

using jit::Compare;
using jit::Operand;
using jit::Round;
using jit::Vec;

constexpr uint32_t kSignBit = 0x80000000;

/// min or max that gives NaN when either source is NaN.
Vec emit_extreme(jit::Program& p, bool maximum, Vec x, Vec y) {
  const Vec result = maximum ? p.max(x, y) : p.min(x, y);  // y when either is NaN
  return p.blend(p.compare(x, Compare::unordered, x), x, result);
}

Vec emit_sign(jit::Program& p, Vec x) {
  const Vec one = p.bit_or(p.bit_and(x, Operand::constant_bits(kSignBit)), 1.0F);
  const Vec kept = p.blend(p.compare(x, Compare::eq, 0.0F), p.zero(), one);
  return p.blend(p.compare(x, Compare::unordered, x), x, kept);
}

Vec emit_clip(jit::Program& p, Vec x, float low, float high) {
  return p.min(p.constant(high), p.max(p.constant(low), x));
}

Vec emit_unary(jit::Program& p, const Step& s, Vec x) {
  switch (s.fn) {
    case Fn::neg:
      return jit::emit_neg(p, x);
    case Fn::abs:
      return jit::emit_abs(p, x);
    case Fn::reciprocal:
      return p.div(p.constant(1.0F), x);
    case Fn::sqrt:
      return p.sqrt(x);
    case Fn::square:
      return p.mul(x, x);
    case Fn::floor:
      return p.round(x, Round::floor);
    case Fn::ceil:
      return p.round(x, Round::ceil);
    case Fn::round_even:
      return p.round(x, Round::nearest_even);
    case Fn::trunc:
      return p.round(x, Round::trunc);
    case Fn::sign:
      return emit_sign(p, x);
    case Fn::exp:
      return jit::emit_exp(p, x);
    case Fn::log:
      return jit::emit_log(p, x);
    case Fn::tanh:
      return jit::emit_tanh(p, x);
    case Fn::sigmoid:
      return jit::emit_sigmoid(p, x);
    case Fn::erf:
      return jit::emit_erf(p, x);
    case Fn::softplus:
      return jit::emit_softplus(p, x);
    case Fn::relu:
      return p.max(p.zero(), x);
    case Fn::leaky_relu:
      return jit::emit_select_negative(p, x, p.mul(x, s.alpha), x);
    case Fn::elu:
      return jit::emit_elu(p, x, s.alpha);
    case Fn::hard_sigmoid:
      return emit_clip(p, p.add(p.mul(x, s.alpha), s.beta), 0.0F, 1.0F);
    case Fn::hard_swish:
      return jit::emit_hard_swish(p, x);
    case Fn::gelu:
      return jit::emit_gelu(p, x);
    case Fn::gelu_tanh:
      return jit::emit_gelu_tanh(p, x);
    case Fn::silu:
      return jit::emit_silu(p, x, s.alpha);
    case Fn::mish:
      return jit::emit_mish(p, x);
    case Fn::clip:
      return emit_clip(p, x, s.alpha, s.beta);
    case Fn::affine:
      return p.add(p.mul(x, s.alpha), s.beta);
    default:
      return x;
  }
}

class Values {
 public:
  Values(jit::Program& p, std::span<const Operand> operands) : p_(p), values_(operands.begin(), operands.end()) {}

  void push(Operand value) { values_.push_back(value); }
  Operand operand(uint8_t i) const { return values_[i]; }
  /// In a register; loads once.
  Vec vec(uint8_t i) {
    Operand& value = values_[i];
    switch (value.kind) {
      case Operand::Kind::vec:
        break;
      case Operand::Kind::mem:
        value = p_.load(value.address);
        break;
      case Operand::Kind::broadcast:
        value = p_.broadcast(value.address);
        break;
      case Operand::Kind::constant:
        value = p_.constant_bits(value.bits);
        break;
    }
    return value.reg;
  }

 private:
  jit::Program& p_;
  std::vector<Operand> values_;
};

/// A truth as 0 or 1.
Vec emit_flag(jit::Program& p, jit::Mask truth) {
  return p.blend(truth, Operand::constant_bits(1), p.zero());
}

/// fp32 to integers: the fraction is cut, out of range saturates, NaN gives 0.
Vec emit_cut(jit::Program& p, Vec x, ElementType to) {
  if (to == ElementType::boolean) return emit_flag(p, p.compare(x, Compare::ne, 0.0F));
  if (to == ElementType::i32) {
    const Vec cut = p.to_int_trunc(p.blend(p.compare(x, Compare::unordered, x), p.zero(), x));
    return p.blend(p.compare(x, Compare::ge, 2147483648.0F), Operand::constant_bits(0x7fffffff), cut);
  }
  const int width = bits(to);
  const bool is_signed = is_signed_integer(to);
  const auto high = static_cast<float>((1 << (is_signed ? width - 1 : width)) - 1);
  const float low = is_signed ? -high - 1 : 0.0F;
  const Vec whole = p.blend(p.compare(x, Compare::unordered, x), p.zero(), x);
  return p.to_int_trunc(p.min(p.max(whole, low), high));
}

/// fp32 rounded to what a narrower type holds.
Vec emit_rounded(jit::Program& p, Vec x, ElementType to) {
  if (to == ElementType::f16) return p.round_float16(x);
  if (to == ElementType::bf16) return p.shl(emit_bf16_bits(p, x), 16);
  return x;
}

/// An int32 lane wrapped to the width of its type.
Vec emit_wrapped(jit::Program& p, Vec x, ElementType type) {
  const int unused = 32 - bits(type);
  if (type == ElementType::boolean || unused == 0) return x;
  if (is_unsigned_integer(type)) return p.bit_and(x, Operand::constant_bits((1U << bits(type)) - 1));
  return p.sar(p.shl(x, unused), unused);
}

Vec emit_cast(jit::Program& p, Vec x, ElementType from, ElementType to) {
  const bool from_integer = is_integer_lane(from), to_integer = is_integer_lane(to);
  if (!from_integer) return to_integer ? emit_cut(p, x, to) : emit_rounded(p, x, to);
  if (!to_integer) return emit_rounded(p, p.to_float(x), to);
  if (to != ElementType::boolean) return emit_wrapped(p, x, to);
  return from == ElementType::boolean ? x : emit_flag(p, p.mask_not(p.icompare_eq(x, Operand::constant_bits(0))));
}

Vec emit_compare(jit::Program& p, Fn fn, bool integers, Vec x, Vec y) {
  if (!integers) return emit_flag(p, p.compare(x, fn == Fn::equal ? Compare::eq : fn == Fn::less ? Compare::lt : Compare::le, y));
  if (fn == Fn::equal) return emit_flag(p, p.icompare_eq(x, y));
  if (fn == Fn::less) return emit_flag(p, p.icompare_gt(y, x));
  return emit_flag(p, p.mask_not(p.icompare_gt(x, y)));
}

Vec emit_class(jit::Program& p, Fn fn, Vec x) {
  if (fn == Fn::is_nan) return emit_flag(p, p.compare(x, Compare::unordered, x));
  return emit_flag(p, p.compare(jit::emit_abs(p, x), Compare::eq, std::numeric_limits<float>::infinity()));
}

Vec emit_unary_integer(jit::Program& p, const Step& s, Vec x) {
  switch (s.fn) {
    case Fn::neg:
      return p.isub(p.zero(), x);
    case Fn::abs:
      return p.imax(x, p.isub(p.zero(), x));
    case Fn::sign:
      return p.imax(p.imin(x, Operand::constant_bits(1)), Operand::constant_bits(0xFFFFFFFF));
    case Fn::relu:
      return p.imax(x, p.zero());
    case Fn::square:
      return p.imul(x, x);
    case Fn::logical_not:
      return p.bit_xor(x, Operand::constant_bits(1));
    default:  // bit_not
      return p.bit_xor(x, Operand::constant_bits(0xFFFFFFFF));
  }
}

Vec emit_binary_integer(jit::Program& p, Fn fn, Vec x, Vec y) {
  switch (fn) {
    case Fn::add:
      return p.iadd(x, y);
    case Fn::sub:
      return p.isub(x, y);
    case Fn::mul:
      return p.imul(x, y);
    case Fn::min:
      return p.imin(x, y);
    case Fn::max:
      return p.imax(x, y);
    case Fn::bit_and:
      return p.bit_and(x, y);
    case Fn::bit_or:
      return p.bit_or(x, y);
    default:  // bit_xor
      return p.bit_xor(x, y);
  }
}

Vec emit_binary(jit::Program& p, const Step& s, bool integers, Values& values) {
  if (s.fn == Fn::equal || s.fn == Fn::less || s.fn == Fn::less_or_equal)
    return emit_compare(p, s.fn, integers, values.vec(s.x), values.vec(s.y));
  if (integers) return emit_binary_integer(p, s.fn, values.vec(s.x), values.vec(s.y));
  const auto in_register = [&](uint8_t i) { return values.operand(i).kind == Operand::Kind::vec; };
  const bool commutes = s.fn == Fn::add || s.fn == Fn::mul;
  const bool swap = commutes && !in_register(s.x) && in_register(s.y);
  const Vec x = values.vec(swap ? s.y : s.x);
  const Operand y = values.operand(swap ? s.x : s.y);
  switch (s.fn) {
    case Fn::add:
      return p.add(x, y);
    case Fn::sub:
      return p.sub(x, y);
    case Fn::mul:
      return p.mul(x, y);
    case Fn::div:
      return p.div(x, y);
    case Fn::min:
      return emit_extreme(p, false, x, values.vec(s.y));
    case Fn::max:
      return emit_extreme(p, true, x, values.vec(s.y));
    default:
      return jit::emit_select_negative(p, x, p.mul(x, y), x);  // prelu
  }
}

}  // namespace

Vec emit_bf16_bits(jit::Program& p, Vec x) {
  // Half of the last kept bit, less one where that bit is even, carries into what is kept.
  const Vec odd = p.bit_and(p.shr(x, 16), Operand::constant_bits(1));
  const Vec rounded = p.iadd(p.iadd(x, Operand::constant_bits(0x7fff)), odd);
  const Vec quiet = p.bit_or(x, Operand::constant_bits(0x00400000));
  return p.shr(p.blend(p.compare(x, Compare::unordered, x), quiet, rounded), 16);
}

Vec emit_steps(jit::Program& p, const EltwiseProgram& program, std::span<const Operand> operands, int lanes) {
  p.use_lanes(lanes);
  Values values(p, operands);
  for (const Step& s : program.steps) {
    const bool last = &s == &program.steps.back();
    const bool integers = s.fn != Fn::constant && is_integer_lane(program.type(s.x));
    if (s.fn == Fn::constant) {
      values.push(is_integer_lane(s.type) ? Operand::constant_bits(static_cast<uint32_t>(s.integer)) : Operand(s.alpha));
      continue;
    }
    if (s.fn == Fn::where) {
      const jit::Mask truth = p.icompare_gt(values.vec(s.x), Operand::constant_bits(0));
      values.push(p.blend(truth, values.vec(s.y), values.vec(s.z)));
      continue;
    }
    Vec result;
    if (s.fn == Fn::cast) {
      // The store rounds and wraps by itself.
      const bool stored = last && is_integer_lane(s.type) == integers && s.type != ElementType::boolean;
      const ElementType to = last && !is_integer_lane(s.type) ? ElementType::f32 : s.type;
      result = stored ? values.vec(s.x) : emit_cast(p, values.vec(s.x), program.type(s.x), to);
    } else if (s.fn == Fn::is_nan || s.fn == Fn::is_inf) {
      result = emit_class(p, s.fn, values.vec(s.x));
    } else if (is_binary(s.fn)) {
      result = emit_binary(p, s, integers, values);
    } else {
      result = integers ? emit_unary_integer(p, s, values.vec(s.x)) : emit_unary(p, s, values.vec(s.x));
    }
    if (integers && is_integer_lane(s.type) && s.fn != Fn::cast && !last) result = emit_wrapped(p, result, s.type);
    values.push(result);
  }
  const Vec result = values.vec(static_cast<uint8_t>(program.operands.size() + program.steps.size() - 1));
  p.use_lanes(0);
  return result;
}

}  // namespace slipway::eltwise

#include "kernels/x64/eltwise/emit.hpp"

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

Vec emit_binary(jit::Program& p, const Step& s, Values& values) {
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

Vec emit_steps(jit::Program& p, const EltwiseProgram& program, std::span<const Operand> operands, int lanes) {
  p.use_lanes(lanes);
  Values values(p, operands);
  for (const Step& s : program.steps) {
    if (s.fn == Fn::constant) {
      values.push(s.alpha);
    } else if (is_binary(s.fn)) {
      values.push(emit_binary(p, s, values));
    } else {
      values.push(emit_unary(p, s, values.vec(s.x)));
    }
  }
  const Vec result = values.vec(static_cast<uint8_t>(program.operands.size() + program.steps.size() - 1));
  p.use_lanes(0);
  return result;
}

}  // namespace slipway::eltwise

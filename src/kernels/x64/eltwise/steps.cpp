// The steps of graph nodes: which functions compute them, in which types.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/low_precision.hpp"
#include "kernels/x64/eltwise/tail.hpp"
#include "ops/activation.hpp"
#include "ops/gelu.hpp"
#include "ops/quantize.hpp"
#include "ops/unary.hpp"

namespace slipway::eltwise {
namespace {

/// Which lanes a function has code for.
enum class Lanes : uint8_t { floats, integers, both, flags };

struct Named {
  std::string_view op;
  Fn fn;
  Lanes lanes = Lanes::floats;
};
constexpr Named kUnary[] = {
    {"Neg", Fn::neg, Lanes::both},
    {"Abs", Fn::abs, Lanes::both},
    {"Reciprocal", Fn::reciprocal},
    {"Sqrt", Fn::sqrt},
    {"Floor", Fn::floor},
    {"Ceil", Fn::ceil},
    {"Round", Fn::round_even},
    {"Sign", Fn::sign, Lanes::both},
    {"Exp", Fn::exp},
    {"Log", Fn::log},
    {"Tanh", Fn::tanh},
    {"Sigmoid", Fn::sigmoid},
    {"Erf", Fn::erf},
    {"Softplus", Fn::softplus},
    {"Relu", Fn::relu, Lanes::both},
    {"HardSwish", Fn::hard_swish},
    {"Mish", Fn::mish},
    {"Not", Fn::logical_not, Lanes::flags},
    {"BitwiseNot", Fn::bit_not, Lanes::integers},
    {"IsNaN", Fn::is_nan},
};
struct NamedPair {
  std::string_view op;
  Fn fn;
  Lanes lanes = Lanes::both;
  bool swapped = false;  ///< the second input is x
};
constexpr NamedPair kBinary[] = {
    {"Add", Fn::add},
    {"Sub", Fn::sub},
    {"Mul", Fn::mul},
    {"Div", Fn::div, Lanes::floats},
    {"Min", Fn::min},
    {"Max", Fn::max},
    {"PRelu", Fn::prelu, Lanes::floats},
    {"Equal", Fn::equal},
    {"Less", Fn::less},
    {"LessOrEqual", Fn::less_or_equal},
    {"Greater", Fn::less, Lanes::both, true},
    {"GreaterOrEqual", Fn::less_or_equal, Lanes::both, true},
    {"And", Fn::bit_and, Lanes::flags},
    {"Or", Fn::bit_or, Lanes::flags},
    {"Xor", Fn::bit_xor, Lanes::flags},
    {"BitwiseAnd", Fn::bit_and, Lanes::integers},
    {"BitwiseOr", Fn::bit_or, Lanes::integers},
    {"BitwiseXor", Fn::bit_xor, Lanes::integers},
};

bool fits(Lanes lanes, ElementType type) {
  switch (lanes) {
    case Lanes::floats:
      return !is_integer_lane(type);
    case Lanes::integers:
      return is_integer_lane(type) && type != ElementType::boolean;
    case Lanes::both:
      return true;
    case Lanes::flags:
      return type == ElementType::boolean;
  }
  return false;
}

bool scalar_constant(const Tensor* t, double& value) {
  if (t == nullptr || t->count() != 1 || bits(t->type()) > 64 || t->type() == ElementType::string ||
      contains(type_sets::kComplex, t->type()))
    return false;
  value = load_double(t->data(), t->type(), 0);
  return true;
}

class Appender {
 public:
  Appender(EltwiseProgram& program, const NodeUse& use) : program_(program), use_(use), op_(use.node.op->name) {}

  bool append(uint8_t& result) {
    if (!use_.node.op->domain.empty() || use_.values.empty() || !is_lane_type(use_.type)) return false;
    uint8_t x = 0;
    if (op_ == "Where") return where(result);
    if (!source(0, x)) return false;
    const ElementType from = program_.type(x);
    for (const Named& row : kUnary) {
      if (row.op == op_) return fits(row.lanes, from) && (result = step(row.fn, x), true);
    }
    for (const NamedPair& row : kBinary) {
      uint8_t y = 0;
      if (row.op != op_) continue;
      if (use_.values.size() != 2 || !fits(row.lanes, from) || !source(1, y)) return false;
      return result = row.swapped ? step(row.fn, y, x) : step(row.fn, x, y), true;
    }
    if (op_ == "Cast") return cast(x, result);
    if (op_ == "QuantizeLinear") return quantize(x, result);
    if (op_ == "DequantizeLinear") return dequantize(x, result);
    if (op_ == "Clip") return clip(x, result);
    return !is_integer_lane(from) && of_floats(x, result);
  }

 private:
  template <class T>
  const T& attrs() const {
    return use_.node.attrs.as<T>();
  }
  bool absent(size_t i) const { return i >= use_.node.inputs.size() || use_.node.inputs[i] == ir::kNone; }

  uint8_t step(Fn fn, uint8_t x, uint8_t y = 0, float alpha = 0, float beta = 0) {
    return typed(use_.type, program_.step(fn, x, y, alpha, beta));
  }
  uint8_t typed(ElementType type, uint8_t value) {
    program_.steps.back().type = type;
    return value;
  }
  uint8_t number(double value, ElementType type) {
    const bool whole = is_integer_lane(type);
    const uint8_t v = typed(type, program_.step(Fn::constant, 0, 0, whole ? 0 : static_cast<float>(value)));
    if (whole) program_.steps.back().integer = static_cast<int32_t>(value);
    return v;
  }
  /// The value of input i; constants of one element become steps.
  bool source(size_t i, uint8_t& v) {
    if (i >= use_.values.size()) return false;
    double immediate = 0;
    if (use_.values[i] >= 0) return v = static_cast<uint8_t>(use_.values[i]), true;
    if (!scalar_constant(use_.constants[i], immediate) || !is_lane_type(use_.constants[i]->type())) return false;
    return v = number(immediate, use_.constants[i]->type()), true;
  }

  bool where(uint8_t& result) {
    uint8_t condition = 0, yes = 0, no = 0;
    if (!source(0, condition) || !source(1, yes) || !source(2, no)) return false;
    result = step(Fn::where, condition, yes);
    program_.steps.back().z = no;
    return true;
  }

  bool cast(uint8_t x, uint8_t& result) {
    // An i32 has more bits than fp32 holds: bf16 would be rounded twice.
    if (program_.type(x) == ElementType::i32 && use_.type == ElementType::bf16) return false;
    return result = step(Fn::cast, x), true;
  }

  bool quantize(uint8_t x, uint8_t& result) {
    const auto& a = attrs<ops::QuantizeAttrs>();
    uint8_t scale = 0, zero = 0;
    if (a.block_size != 0 || program_.type(x) != ElementType::f32 || !is_integer_lane(use_.type) || !source(1, scale))
      return false;
    if (program_.type(scale) != ElementType::f32) return false;
    if (a.precision != ElementType::undefined && a.precision != ElementType::f32) return false;
    uint8_t v = program_.step(Fn::round_even, program_.step(Fn::div, x, scale));
    if (!absent(2)) {
      if (!source(2, zero)) return false;
      v = program_.step(Fn::add, v, program_.step(Fn::cast, zero));
    }
    return result = step(Fn::cast, v), true;
  }

  bool dequantize(uint8_t x, uint8_t& result) {
    const ElementType from = program_.type(x);
    uint8_t scale = 0, zero = 0;
    if (attrs<ops::DequantizeAttrs>().block_size != 0 || is_integer_lane(use_.type) || !source(1, scale)) return false;
    if (!is_integer_lane(from) || from == ElementType::i32 || program_.type(scale) != ElementType::f32) return false;
    if (!absent(2)) {
      if (!source(2, zero)) return false;
      x = typed(ElementType::i32, program_.step(Fn::sub, x, zero));
    }
    return result = step(Fn::mul, program_.step(Fn::cast, x), scale), true;
  }

  bool clip(uint8_t x, uint8_t& result) {
    double low = -std::numeric_limits<double>::infinity(), high = -low;
    const auto bound = [&](size_t i, double& b) {
      return absent(i) || (use_.values[i] < 0 && scalar_constant(use_.constants[i], b));
    };
    if (!bound(1, low) || !bound(2, high)) return false;
    if (!is_integer_lane(program_.type(x)))
      return result = step(Fn::clip, x, 0, static_cast<float>(low), static_cast<float>(high)), true;
    result = x;
    if (std::isfinite(low)) result = typed(use_.type, program_.step(Fn::max, result, number(low, use_.type)));
    if (std::isfinite(high)) result = typed(use_.type, program_.step(Fn::min, result, number(high, use_.type)));
    return result != x;
  }

  bool of_floats(uint8_t x, uint8_t& result) {
    if (op_ == "Pow") {
      double exponent = 0;
      if (use_.values[1] >= 0 || !scalar_constant(use_.constants[1], exponent)) return false;
      if (exponent == 2) return result = step(Fn::square, x), true;
      return exponent == 0.5 && (result = step(Fn::sqrt, x), true);
    }
    if (op_ == "LeakyRelu") return result = step(Fn::leaky_relu, x, 0, attrs<ops::LeakyReluAttrs>().alpha), true;
    if (op_ == "Elu") return result = step(Fn::elu, x, 0, attrs<ops::EluAttrs>().alpha), true;
    if (op_ == "Swish") return result = step(Fn::silu, x, 0, attrs<ops::SwishAttrs>().alpha), true;
    if (op_ == "HardSigmoid") {
      const auto& a = attrs<ops::HardSigmoidAttrs>();
      return result = step(Fn::hard_sigmoid, x, 0, a.alpha, a.beta), true;
    }
    if (op_ == "Gelu") {
      const bool erf = attrs<ops::GeluAttrs>().approximate == "none";
      return result = step(erf ? Fn::gelu : Fn::gelu_tanh, x), true;
    }
    if (op_ == "IsInf") {
      const auto& a = attrs<ops::IsInfAttrs>();
      return a.detect_negative && a.detect_positive && (result = step(Fn::is_inf, x), true);
    }
    return false;
  }

  EltwiseProgram& program_;
  const NodeUse& use_;
  std::string_view op_;
};

}  // namespace

bool append_node(EltwiseProgram& program, const NodeUse& use, uint8_t& result) {
  return Appender(program, use).append(result);
}

}  // namespace slipway::eltwise

// Arithmetic of two broadcast operands. Floats in double; integers exact in 64 bits, wrapping to their width.
#include "ops/binary.hpp"

#include <cmath>

#include "ops/elementwise.hpp"
#include "ops/onnx_node.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

using Flag = ir::OpInfo::Flag;

int64_t wrap(uint64_t x) {
  return static_cast<int64_t>(x);
}
uint64_t pattern(int64_t x) {
  return static_cast<uint64_t>(x);
}

/// F(double, double); I(a, b, z, has_sign) as zip_integers wants it.
template <class F, class I>
Status run(RefContext& c, F f, I i, std::string_view fault) {
  const ElementType type = c.in(0).type();
  if (is_float(type)) return zip_floats(c, f);
  const bool has_sign = is_signed_integer(type);
  const bool fine = TRY(zip_integers(c, type, [&](int64_t a, int64_t b, int64_t& z) { return i(a, b, z, has_sign); }));
  if (!fine) return Error(ErrorCode::data_fault, std::string(fault));
  return {};
}

Status run_add(RefContext& c) {
  return run(
      c, [](double a, double b) { return a + b; },
      [](int64_t a, int64_t b, int64_t& z, bool) { return z = wrap(pattern(a) + pattern(b)), true; }, "");
}
Status run_sub(RefContext& c) {
  return run(
      c, [](double a, double b) { return a - b; },
      [](int64_t a, int64_t b, int64_t& z, bool) { return z = wrap(pattern(a) - pattern(b)), true; }, "");
}
Status run_mul(RefContext& c) {
  return run(
      c, [](double a, double b) { return a * b; },
      [](int64_t a, int64_t b, int64_t& z, bool) { return z = wrap(pattern(a) * pattern(b)), true; }, "");
}

Status run_div(RefContext& c) {
  const int64_t lowest = is_float(c.in(0).type()) ? 0 : integer_range(c.in(0).type()).low;
  return run(
      c, [](double a, double b) { return a / b; },
      [&](int64_t a, int64_t b, int64_t& z, bool has_sign) {
        if (b == 0 || (has_sign && a == lowest && b == -1)) return false;
        z = has_sign ? a / b : wrap(pattern(a) / pattern(b));
        return true;
      },
      "integer division by zero, or of the lowest number by -1");
}

/// A - trunc(A / B) * B with fmod, else A - floor(A / B) * B: the sign of B.
Status run_mod(RefContext& c) {
  const bool truncated = c.attrs<ModAttrs>().fmod;
  return run(
      c,
      [&](double a, double b) {
        const double r = std::fmod(a, b);
        if (truncated || std::isnan(r)) return r;
        if (r == 0) return std::copysign(0.0, b);
        return (r < 0) != (b < 0) ? r + b : r;
      },
      [&](int64_t a, int64_t b, int64_t& z, bool has_sign) {
        if (b == 0) return false;
        if (!has_sign) return z = wrap(pattern(a) % pattern(b)), true;
        if (b == -1) return z = 0, true;
        z = a % b;
        if (!truncated && z != 0 && (z < 0) != (b < 0)) z += b;
        return true;
      },
      "integer remainder of a division by zero");
}

int64_t integer_power(int64_t base, uint64_t exponent) {
  uint64_t result = 1, square = pattern(base);
  for (; exponent != 0; exponent >>= 1, square *= square) {
    if ((exponent & 1) != 0) result *= square;
  }
  return wrap(result);
}

/// Integers to integers: exact and wrapping; a negative exponent gives the truncated fraction.
Status run_pow(RefContext& c) {
  if (is_float(c.in(0).type()) || is_float(c.in(1).type())) {
    return zip_floats(c, [](double a, double b) { return std::pow(a, b); });
  }
  const bool has_sign = is_signed_integer(c.in(1).type());
  const bool fine = TRY(zip_integers(c, c.in(0).type(), [&](int64_t a, int64_t b, int64_t& z) {
    if (b >= 0 || !has_sign) return z = integer_power(a, pattern(b)), true;
    z = a == 1 ? 1 : a == -1 ? ((b & 1) != 0 ? -1 : 1) : 0;
    return a != 0;
  }));
  if (!fine) return Error(ErrorCode::data_fault, "integer zero to a negative power");
  return {};
}

Status infer_prelu(InferContext& c) {
  const Shape *x = c.shape(0), *slope = c.shape(1);
  if (x != nullptr && slope != nullptr) {
    const Shape both = TRY(broadcast(*x, *slope));
    bool fits = both.size() == x->size();
    for (size_t i = 0; fits && i < both.size(); ++i) fits = !(*x)[i].known() || !both[i].known() || (*x)[i] == both[i];
    if (!fits) return Error(ErrorCode::invalid_model, "the slope must broadcast to the input's shape");
  }
  return infer_same(c);
}

Status run_prelu(RefContext& c) {
  if (!(TRY(broadcast_dims(c)) == c.in(0).dims())) {
    return Error(ErrorCode::invalid_argument, "the slope must broadcast to the input's shape");
  }
  return run(
      c, [](double x, double slope) { return x < 0 ? x * slope : x; },
      [](int64_t x, int64_t slope, int64_t& z, bool has_sign) {
        return z = has_sign && x < 0 ? wrap(pattern(x) * pattern(slope)) : x, true;
      },
      "");
}

/// Before version 7 a slope of one axis belonged to the channels (axis 1).
Status upgrade_prelu(OnnxNode& node) {
  node.drop("consumed_inputs");
  if (node.version >= 7 || node.inputs.size() != 2) return {};
  const std::optional<Shape>&x = node.fact(0).shape, &slope = node.fact(1).shape;
  if (!x || !slope) return Error(ErrorCode::unsupported, "PRelu before opset 7 needs inputs of known rank");
  std::vector<int64_t> axes;
  for (size_t i = 2; slope->size() == 1 && i < x->size(); ++i) axes.push_back(static_cast<int64_t>(i - 1));
  if (!axes.empty())
    node.inputs[1] = TRY(node.emit("Unsqueeze", NoAttrs{}, {node.inputs[1], node.constant(Tensor::vector(axes))}));
  return {};
}

template <class F>
Status run_bits(RefContext& c, F f) {
  TRY(zip_integers(c, c.in(0).type(), [&](int64_t a, int64_t b, int64_t& z) { return z = f(a, b), true; }));
  return {};
}
Status run_bitwise_and(RefContext& c) {
  return run_bits(c, [](int64_t a, int64_t b) { return a & b; });
}
Status run_bitwise_or(RefContext& c) {
  return run_bits(c, [](int64_t a, int64_t b) { return a | b; });
}
Status run_bitwise_xor(RefContext& c) {
  return run_bits(c, [](int64_t a, int64_t b) { return a ^ b; });
}

Status infer_bit_shift(InferContext& c) {
  const std::string& direction = c.attrs<BitShiftAttrs>().direction;
  if (direction != "LEFT" && direction != "RIGHT") {
    return fail(ErrorCode::invalid_model, "attribute direction must be LEFT or RIGHT, here it is '{}'", direction);
  }
  return infer_broadcast(c);
}

/// Out of [0, width): what is left after every bit moved out, -1 for a negative number shifted right, else 0.
Status run_bit_shift(RefContext& c) {
  const ElementType type = c.in(0).type();
  const bool left = c.attrs<BitShiftAttrs>().direction == "LEFT", has_sign = is_signed_integer(type);
  const uint64_t width = static_cast<uint64_t>(bits(type));
  return run_bits(c, [&](int64_t a, int64_t by) {
    const bool inside = pattern(by) < width;
    if (left) return inside ? wrap(pattern(a) << by) : int64_t{0};
    if (has_sign) return a >> (inside ? by : 63);
    return inside ? wrap(pattern(a) >> by) : int64_t{0};
  });
}

template <TypeSet Types, int Low, int High, int Low2, int High2>
std::vector<Sample> samples_of() {
  return sample::of_two_inputs(Types, Low, High, Low2, High2);
}

SampleInput f32(const Dims& dims, std::initializer_list<double> values) {
  return {sample::floats(dims, values)};
}

std::vector<Sample> arithmetic_samples() {
  std::vector<Sample> out = samples_of<kNumeric, -60, 60, 1, 60>();
  const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
  out.push_back(
      {"special", {}, {f32({7}, {inf, -inf, nan, 0, -0.0, 3e38, 1e-40}), f32({7}, {inf, inf, 1, -1, 0.5, 3e38, 0.5})}, 1});
  out.push_back(
      {"wrap_i32", {}, {{sample::numbers(E::i32, {2}, {2147483647, -2147483648.0})}, {sample::numbers(E::i32, {2}, {2, 3})}}, 1});
  out.push_back({"constant_row", {}, {{sample::random({4, 33})}, {sample::random({33}, 1, 2, 9), true}}, 1});
  return out;
}

std::vector<Sample> mod_samples() {
  std::vector<Sample> out = sample::of_two_inputs(kNumeric, -60, 60, 1, 9, ModAttrs{});
  out.push_back({"signs_i32",
                 ModAttrs{},
                 {{sample::numbers(E::i32, {4}, {-7, 7, -7, 7})}, {sample::numbers(E::i32, {4}, {3, -3, -3, 3})}},
                 1});
  out.push_back({"signs_fmod",
                 ModAttrs{.fmod = true},
                 {{sample::numbers(E::i64, {4}, {-7, 7, -7, 7})}, {sample::numbers(E::i64, {4}, {3, -3, -3, 3})}},
                 1});
  out.push_back({"signs_f32", ModAttrs{}, {f32({4}, {-7.5, 7.5, -7.5, 6}), f32({4}, {3, -3, -3, -3})}, 1});
  out.push_back({"fmod_f32", ModAttrs{.fmod = true}, {f32({4}, {-7.5, 7.5, -7.5, 6}), f32({4}, {3, -3, -3, -3})}, 1});
  return out;
}

std::vector<Sample> pow_samples() {
  std::vector<Sample> out = sample::of_two_inputs(kFloat, 0.1, 3, -2, 3);
  out.push_back({"square", {}, {{sample::random({3, 17})}, {sample::floats({}, {2}), true}}, 1});
  out.push_back(
      {"i64_exponent",
       {},
       {{sample::random({3, 17})}, {sample::numbers(E::i64, {17}, {0, 1, 2, 3, -1, -2, 4, 5, 0, 1, 2, 3, -1, -2, 4, 5, 6})}},
       1});
  out.push_back({"integers", {}, {{sample::random(E::i32, {7}, -3, 4)}, {sample::random(E::i32, {7}, 0, 5)}}, 1});
  out.push_back({"integer_base", {}, {{sample::random(E::i64, {7}, 1, 4)}, {sample::random({7}, 0, 3)}}, 1});
  out.push_back({"special", {}, {f32({6}, {0, -1, -2, std::nan(""), 0, -8}), f32({6}, {0, 0.5, 3, 0, -1, 0.3333})}, 1});
  return out;
}

std::vector<Sample> prelu_samples() {
  std::vector<Sample> out;
  for (ElementType t : {E::f32, E::f16, E::bf16, E::f64, E::i32, E::u32}) {
    const double low = t == E::u32 ? 0 : -5;
    out.push_back({std::string(name(t)), {}, {{sample::random(t, {3, 17}, low, 5)}, {sample::random(t, {3, 17}, low, 5, 2)}}, 1});
  }
  out.push_back({"channel", {}, {{sample::random({2, 3, 5, 7})}, {sample::random({3, 1, 1}, -1, 1, 2), true}}, 1});
  out.push_back({"one", {}, {{sample::random({4, 33})}, {sample::random({1}, -1, 1, 2), true}}, 1});
  out.push_back({"empty", {}, {{sample::random({0, 4})}, {sample::random({4})}}, 1});
  return out;
}

std::vector<Sample> shift_samples() {
  std::vector<Sample> out;
  for (const char* direction : {"LEFT", "RIGHT"}) {
    for (ElementType t : {E::u8, E::u16, E::u32, E::u64, E::i8, E::i16, E::i32, E::i64}) {
      out.push_back({fmt::format("{}_{}", direction, name(t)),
                     BitShiftAttrs{direction},
                     {{sample::random(t, {3, 7}, is_signed_integer(t) ? -100 : 0, 100)}, {sample::random(t, {7}, 0, 9, 2)}},
                     1});
    }
    out.push_back({fmt::format("{}_too_far", direction),
                   BitShiftAttrs{direction},
                   {{sample::numbers(E::i32, {4}, {-5, 5, -5, 5})}, {sample::numbers(E::i32, {4}, {32, 40, -1, 31})}},
                   1});
  }
  return out;
}

struct Row {
  std::string_view name;
  std::vector<int> versions;
  Status (*run)(RefContext&);
  uint32_t flags;
  std::string_view doc;
};

}  // namespace

OpFamily binary() {
  OpFamily family;
  const auto add = [&](Op&& op) { family.push_back(std::move(op).flag(Flag::kElementwise)); };
  for (const Row& row :
       {Row{"Add", {1, 6, 7, 13, 14}, run_add, Flag::kCommutative, "A + B."}, Row{"Sub", {1, 6, 7, 13, 14}, run_sub, 0, "A - B."},
        Row{"Mul", {1, 6, 7, 13, 14}, run_mul, Flag::kCommutative, "A * B."},
        Row{"Div", {1, 6, 7, 13, 14}, run_div, 0, "A / B; integers towards zero."}}) {
    add(Op(row.name, row.versions)
            .in("A", kNumeric)
            .in("B", kNumeric)
            .out("C")
            .flag(row.flags)
            .infer(infer_broadcast)
            .reference(row.run)
            .samples(arithmetic_samples)
            .upgrade(upgrade_broadcast)
            .doc(row.doc));
  }
  for (const Row& row : {Row{"BitwiseAnd", {18}, run_bitwise_and, Flag::kCommutative, "Bits set in both."},
                         Row{"BitwiseOr", {18}, run_bitwise_or, Flag::kCommutative, "Bits set in either."},
                         Row{"BitwiseXor", {18}, run_bitwise_xor, Flag::kCommutative, "Bits set in one alone."}}) {
    add(Op(row.name, row.versions)
            .in("A", kInteger)
            .in("B", kInteger)
            .out("C")
            .flag(row.flags)
            .infer(infer_broadcast)
            .reference(row.run)
            .samples(samples_of<kInteger, -100, 100, -100, 100>)
            .doc(row.doc));
  }
  add(Op("BitShift", {11, 28})
          .attrs<BitShiftAttrs>()
          .in("X", kInteger)
          .in("Y", kInteger)
          .out("Z")
          .infer(infer_bit_shift)
          .reference(run_bit_shift)
          .samples(shift_samples)
          .doc("X shifted by Y bits; right shifts of signed types keep the sign."));
  add(Op("Mod", {10, 13, 28})
          .attrs<ModAttrs>()
          .in("A", kNumeric)
          .in("B", kNumeric)
          .out("C")
          .infer(infer_broadcast)
          .reference(run_mod)
          .samples(mod_samples)
          .doc("Remainder with the sign of B, or of A with fmod."));
  add(Op("Pow", {1, 7, 12, 13, 15})
          .in("X", kFloat | kIndex)
          .in("Y", kNumeric, 0)
          .out("Z")
          .tolerance(Tolerance::rounding)
          .infer(infer_broadcast)
          .reference(run_pow)
          .samples(pow_samples)
          .upgrade(upgrade_broadcast)
          .doc("X to the power Y."));
  add(Op("PRelu", {1, 6, 7, 9, 16})
          .in("X", kFloat | types(E::i32, E::i64, E::u32, E::u64))
          .in("slope", kFloat | types(E::i32, E::i64, E::u32, E::u64))
          .out("Y")
          .infer(infer_prelu)
          .reference(run_prelu)
          .samples(prelu_samples)
          .upgrade(upgrade_prelu)
          .doc("X, below zero slope * X; the slope broadcasts to X."));
  return family;
}

}  // namespace slipway::ops

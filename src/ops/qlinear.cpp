// Operators on quantised tensors (com.microsoft): each is its plain operator between DequantizeLinear and QuantizeLinear.
#include "ops/activation.hpp"
#include "ops/channels_last.hpp"
#include "ops/concat.hpp"
#include "ops/conv.hpp"
#include "ops/function.hpp"
#include "ops/pool.hpp"
#include "ops/quantize.hpp"
#include "ops/reshape.hpp"
#include "ops/sample.hpp"
#include "ops/shape.hpp"
#include "ops/softmax.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kByte = types(E::u8, E::i8);
constexpr TypeSet kScale = types(E::f32);

struct QLinearConcatAttrs {
  int64_t axis = 0;
  bool operator==(const QLinearConcatAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("axis", &QLinearConcatAttrs::axis, true)}; }
};

struct QLinearSoftmaxAttrs {
  int64_t axis = -1;
  int64_t opset = 0;  ///< of the Softmax that it was: before 13 all axes from `axis` on are one
  bool operator==(const QLinearSoftmaxAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("axis", &QLinearSoftmaxAttrs::axis), field("opset", &QLinearSoftmaxAttrs::opset, true)};
  }
};

struct QLinearGlobalPoolAttrs {
  bool channels_last = false;
  bool operator==(const QLinearGlobalPoolAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("channels_last", &QLinearGlobalPoolAttrs::channels_last)}; }
};

struct QLinearPoolAttrs {
  std::string auto_pad = "NOTSET";
  std::vector<int64_t> kernel_shape, strides, pads;
  bool ceil_mode = false, count_include_pad = false, channels_last = false;
  bool operator==(const QLinearPoolAttrs&) const = default;
  static constexpr auto fields() {
    using A = QLinearPoolAttrs;
    return std::tuple{field("auto_pad", &A::auto_pad),
                      field("kernel_shape", &A::kernel_shape, true),
                      field("strides", &A::strides),
                      field("pads", &A::pads),
                      field("ceil_mode", &A::ceil_mode),
                      field("count_include_pad", &A::count_include_pad),
                      field("channels_last", &A::channels_last)};
  }
};

/// Weights as Conv has them: [M, C / group, kernel...].
struct QLinearConvAttrs : ConvAttrs {
  bool channels_last = false;
  bool operator==(const QLinearConvAttrs&) const = default;
  static constexpr auto fields() {
    using A = QLinearConvAttrs;
    return std::tuple{field<A, std::string>("auto_pad", &A::auto_pad),
                      field<A, std::vector<int64_t>>("kernel_shape", &A::kernel_shape),
                      field<A, std::vector<int64_t>>("strides", &A::strides),
                      field<A, std::vector<int64_t>>("dilations", &A::dilations),
                      field<A, std::vector<int64_t>>("pads", &A::pads),
                      field<A, int64_t>("group", &A::group),
                      field("channels_last", &A::channels_last)};
  }
};

/// Input `at` with the scale and zero point that follow it.
ir::ValueId real(FunctionBody& b, size_t at) {
  return b.node("DequantizeLinear", DequantizeAttrs{}, {b.in(at), b.in(at + 1), b.in(at + 2)});
}

/// Output 0 from a real value, by the scale and zero point at inputs `at` and `at` + 1; without a zero point of the type of
/// `like`.
void set_quantised(FunctionBody& b, ir::ValueId y, size_t at, size_t like) {
  const QuantizeAttrs attrs{.output_dtype = b.has(at + 1) ? ElementType::undefined : b.type(b.in(like))};
  b.set(0, b.node("QuantizeLinear", attrs, {y, b.in(at), b.in(at + 1)}));
}

void add_body(FunctionBody& b) {
  set_quantised(b, b.node("Add", {real(b, 0), real(b, 3)}), 6, 0);
}
void mul_body(FunctionBody& b) {
  set_quantised(b, b.node("Mul", {real(b, 0), real(b, 3)}), 6, 0);
}
void sigmoid_body(FunctionBody& b) {
  set_quantised(b, b.node("Sigmoid", {real(b, 0)}), 3, 0);
}
void leaky_relu_body(FunctionBody& b) {
  set_quantised(b, b.node("LeakyRelu", b.attrs<LeakyReluAttrs>(), {real(b, 0)}), 3, 0);
}
void where_body(FunctionBody& b) {
  set_quantised(b, b.node("Where", {b.in(0), real(b, 1), real(b, 4)}), 7, 1);
}

void concat_body(FunctionBody& b) {
  std::vector<ir::ValueId> parts;
  for (size_t i = 2; i + 2 < b.input_count(); i += 3) parts.push_back(real(b, i));
  if (b.input_count() % 3 != 2) b.fail(Error(ErrorCode::invalid_model, "each tensor must come with its scale and zero point"));
  set_quantised(b, b.node("Concat", ConcatAttrs{.axis = b.attrs<QLinearConcatAttrs>().axis}, std::move(parts)), 0, 2);
}

void softmax_body(FunctionBody& b) {
  const QLinearSoftmaxAttrs& at = b.attrs<QLinearSoftmaxAttrs>();
  const ir::ValueId x = real(b, 0);
  if (at.opset >= 13) return set_quantised(b, b.node("Softmax", SoftmaxAttrs{.axis = at.axis}, {x}), 3, 0);
  const auto rank = static_cast<int64_t>(b.rank(x));
  const int64_t axis = at.axis < 0 ? at.axis + rank : at.axis;
  if (axis == rank - 1) return set_quantised(b, b.node("Softmax", SoftmaxAttrs{}, {x}), 3, 0);
  const ir::ValueId rows = b.node("Flatten", FlattenAttrs{.axis = axis}, {x});
  const ir::ValueId shape = b.node("Shape", ShapeAttrs{}, {x});
  set_quantised(b, b.node("Reshape", ReshapeAttrs{}, {b.node("Softmax", SoftmaxAttrs{}, {rows}), shape}), 3, 0);
}

void global_average_pool_body(FunctionBody& b) {
  const bool last = b.attrs<QLinearGlobalPoolAttrs>().channels_last;
  ir::ValueId x = real(b, 0);
  if (last) x = moved_channels(b, x, true);
  const ir::ValueId y = b.node("GlobalAveragePool", {x});
  set_quantised(b, last ? moved_channels(b, y, false) : y, 3, 0);
}

void average_pool_body(FunctionBody& b) {
  const QLinearPoolAttrs& at = b.attrs<QLinearPoolAttrs>();
  AveragePoolAttrs pool;
  pool.auto_pad = at.auto_pad;
  pool.kernel_shape = at.kernel_shape;
  pool.strides = at.strides;
  pool.pads = at.pads;
  pool.ceil_mode = at.ceil_mode;
  pool.count_include_pad = at.count_include_pad;
  ir::ValueId x = real(b, 0);
  if (at.channels_last) x = moved_channels(b, x, true);
  const ir::ValueId y = b.node("AveragePool", pool, {x});
  set_quantised(b, at.channels_last ? moved_channels(b, y, false) : y, 3, 0);
}

void conv_body(FunctionBody& b) {
  const QLinearConvAttrs& at = b.attrs<QLinearConvAttrs>();
  std::vector<ir::ValueId> inputs;
  for (size_t i = 0; i < b.input_count(); ++i) inputs.push_back(b.in(i));
  if (at.channels_last) inputs[0] = moved_channels(b, inputs[0], true);
  const ir::ValueId y = b.node("QLinearConv", static_cast<const ConvAttrs&>(at), std::move(inputs));
  b.set(0, at.channels_last ? moved_channels(b, y, false) : y);
}

SampleInput quantised(ElementType t, const Dims& dims, uint64_t seed) {
  return {sample::random(t, dims, t == E::u8 ? 0 : -128, t == E::u8 ? 256 : 128, seed)};
}
SampleInput scale(double v) {
  return sample::constant(sample::floats({}, {v}));
}
SampleInput zero(ElementType t, double v) {
  return sample::constant(sample::numbers(t, {}, {v}));
}

std::vector<Sample> binary_samples() {
  std::vector<Sample> out;
  for (ElementType t : {E::u8, E::i8}) {
    out.push_back({std::string(name(t)),
                   {},
                   {quantised(t, {3, 17}, 1), scale(0.02), zero(t, 5), quantised(t, {17}, 2), scale(0.03), zero(t, 7),
                    scale(0.05), zero(t, 9)},
                   1});
  }
  out.push_back({"no_zero_points",
                 {},
                 {quantised(E::u8, {3, 17}, 1), scale(0.02), sample::absent(), quantised(E::u8, {3, 1}, 2), scale(0.03),
                  sample::absent(), scale(0.05)},
                 1});
  return out;
}

template <class S>
std::vector<Sample> one_input_samples(S attrs, const Dims& dims) {
  std::vector<Sample> out;
  for (ElementType t : {E::u8, E::i8}) {
    out.push_back({std::string(name(t)), attrs, {quantised(t, dims, 1), scale(0.03), zero(t, 5), scale(0.01), zero(t, 3)}, 1});
  }
  return out;
}

std::vector<Sample> sigmoid_samples() {
  return one_input_samples(NoAttrs{}, {3, 17});
}
std::vector<Sample> leaky_relu_samples() {
  return one_input_samples(LeakyReluAttrs{.alpha = 0.2f}, {3, 17});
}
std::vector<Sample> softmax_samples() {
  std::vector<Sample> out = one_input_samples(QLinearSoftmaxAttrs{.opset = 13}, {3, 17});
  out.push_back(one_input_samples(QLinearSoftmaxAttrs{.axis = 1, .opset = 12}, {2, 3, 5}).front());
  out.back().label = "flattened";
  return out;
}
std::vector<Sample> global_average_pool_samples() {
  std::vector<Sample> out = one_input_samples(QLinearGlobalPoolAttrs{}, {2, 3, 5, 7});
  out.push_back(one_input_samples(QLinearGlobalPoolAttrs{.channels_last = true}, {2, 5, 7, 3}).front());
  out.back().label = "channels_last";
  return out;
}
std::vector<Sample> average_pool_samples() {
  std::vector<Sample> out = one_input_samples(QLinearPoolAttrs{.kernel_shape = {3, 3}, .pads = {1, 1, 1, 1}}, {1, 3, 7, 7});
  out.push_back(
      one_input_samples(QLinearPoolAttrs{.kernel_shape = {2}, .strides = {2}, .channels_last = true}, {2, 9, 3}).front());
  out.back().label = "channels_last";
  return out;
}
std::vector<Sample> conv_samples() {
  QLinearConvAttrs last, second;
  last.pads = {1, 1, 1, 1};
  last.channels_last = true;
  second.group = 3;
  const auto inputs = [](const Dims& x, const Dims& w) {
    return std::vector<SampleInput>{quantised(E::u8, x, 1),
                                    scale(0.02),
                                    zero(E::u8, 5),
                                    quantised(E::i8, w, 2),
                                    scale(0.03),
                                    zero(E::i8, 0),
                                    scale(0.05),
                                    zero(E::u8, 9),
                                    {sample::random(E::i32, {w[0]}, -500, 500, 3)}};
  };
  return {{"channels_last", last, inputs({1, 5, 7, 3}, {4, 3, 3, 3}), 1},
          {"groups", second, inputs({2, 3, 7, 5}, {6, 1, 3, 3}), 1}};
}
std::vector<Sample> where_samples() {
  return {{"u8",
           {},
           {{sample::random(E::boolean, {3, 17})},
            quantised(E::u8, {3, 17}, 1),
            scale(0.02),
            zero(E::u8, 5),
            quantised(E::u8, {17}, 2),
            scale(0.03),
            zero(E::u8, 7),
            scale(0.05),
            zero(E::u8, 9)},
           1}};
}
std::vector<Sample> concat_samples() {
  return {{"two",
           QLinearConcatAttrs{.axis = 1},
           {scale(0.05), zero(E::u8, 9), quantised(E::u8, {2, 3}, 1), scale(0.02), zero(E::u8, 5), quantised(E::u8, {2, 5}, 2),
            scale(0.03), zero(E::u8, 7)},
           1},
          {"one_i8",
           QLinearConcatAttrs{.axis = 0},
           {scale(0.05), zero(E::i8, 9), quantised(E::i8, {2, 3}, 1), scale(0.02), zero(E::i8, 5)},
           1}};
}

/// An operator of one quantised input and the scale and zero point of the result. What comes after an optional input is optional
/// to the graph; the body fails without it.
Op one_input(std::string_view op) {
  return Op(op, {1}, "com.microsoft")
      .in("X", kByte)
      .in("X_scale", kScale, 0)
      .opt("X_zero_point", kByte)
      .opt("Y_scale", kScale, 0)
      .opt("Y_zero_point", kByte)
      .out("Y");
}

Op two_inputs(std::string_view op) {
  return Op(op, {1}, "com.microsoft")
      .in("A", kByte)
      .in("A_scale", kScale, 0)
      .opt("A_zero_point", kByte)
      .opt("B", kByte)
      .opt("B_scale", kScale, 0)
      .opt("B_zero_point", kByte)
      .opt("C_scale", kScale, 0)
      .opt("C_zero_point", kByte)
      .out("C")
      .samples(binary_samples);
}

}  // namespace

OpFamily qlinear() {
  OpFamily family;
  const auto add = [&](Op&& op) { family.push_back(std::move(op)); };
  add(function<add_body>(two_inputs("QLinearAdd")).doc("Add of quantised tensors."));
  add(function<mul_body>(two_inputs("QLinearMul")).doc("Mul of quantised tensors."));
  add(function<sigmoid_body>(one_input("QLinearSigmoid")).samples(sigmoid_samples).doc("Sigmoid of a quantised tensor."));
  add(function<leaky_relu_body, LeakyReluAttrs>(one_input("QLinearLeakyRelu"))
          .samples(leaky_relu_samples)
          .doc("LeakyRelu of a quantised tensor."));
  add(function<softmax_body, QLinearSoftmaxAttrs>(one_input("QLinearSoftmax"))
          .samples(softmax_samples)
          .doc("Softmax of a quantised tensor."));
  add(function<global_average_pool_body, QLinearGlobalPoolAttrs>(one_input("QLinearGlobalAveragePool"))
          .samples(global_average_pool_samples)
          .doc("GlobalAveragePool of a quantised tensor."));
  add(function<average_pool_body, QLinearPoolAttrs>(one_input("QLinearAveragePool"))
          .samples(average_pool_samples)
          .doc("AveragePool of a quantised tensor."));
  add(function<conv_body, QLinearConvAttrs>(Op("QLinearConv", {1}, "com.microsoft")
                                                .in("x", kByte, 'X')
                                                .in("x_scale", kScale, 0)
                                                .in("x_zero_point", kByte, 'X')
                                                .in("w", kByte, 'W')
                                                .in("w_scale", kScale, 0)
                                                .in("w_zero_point", kByte, 'W')
                                                .in("y_scale", kScale, 0)
                                                .in("y_zero_point", kByte, 'Y')
                                                .opt("B", types(E::i32), 0)
                                                .out("y", kByte, 'Y'))
          .samples(conv_samples)
          .doc("QLinearConv, with the channels of input and output last when asked."));
  add(function<where_body>(Op("QLinearWhere", {1}, "com.microsoft")
                               .in("condition", kBool, 'C')
                               .in("X", kByte)
                               .in("x_scale", kScale, 0)
                               .in("x_zero_point", kByte)
                               .in("Y", kByte)
                               .in("y_scale", kScale, 0)
                               .in("y_zero_point", kByte)
                               .in("z_scale", kScale, 0)
                               .in("z_zero_point", kByte)
                               .out("Z"))
          .samples(where_samples)
          .doc("Where of quantised tensors."));
  add(function<concat_body, QLinearConcatAttrs>(Op("QLinearConcat", {1}, "com.microsoft")
                                                    .in("Y_scale", kScale, 0)
                                                    .in("Y_zero_point", kByte)
                                                    .in_list("inputs", kByte | kScale, 0, 3)
                                                    .out("Y"))
          .samples(concat_samples)
          .doc("Concat of quantised tensors, each with its scale and zero point."));
  return family;
}

}  // namespace slipway::ops

// Softmax, LogSoftmax, Hardmax: one axis normalised.
#include "ops/softmax.hpp"

#include <cmath>

#include "ops/onnx_node.hpp"
#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/reshape.hpp"
#include "ops/sample.hpp"
#include "ops/shape.hpp"

namespace slipway::ops {
namespace {

Status infer(InferContext& c) {
  const Shape* x = c.shape(0);
  if (x != nullptr) TRY(normalize_axis(c.attrs<SoftmaxAttrs>().axis, static_cast<int>(x->size())));
  c.set(0, c.type(0), c.input(0).shape);
  return {};
}

/// Rewrites every line along the axis: f(first element, count, step).
template <class F>
Status each_line(RefContext& c, F&& f) {
  const Dims d = c.in(0).dims();
  const int axis = TRY(normalize_axis(c.attrs<SoftmaxAttrs>().axis, d.rank()));
  const int64_t n = d[axis], step = d.count(axis + 1, d.rank()), outer = d.count(0, axis);
  std::vector<double> v = c.doubles(0);
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < step && n > 0; ++i) f(v.data() + o * n * step + i, n, step);
  }
  c.set_doubles(0, c.in(0).type(), d, v);
  return {};
}

double largest(const double* x, int64_t n, int64_t step) {
  double most = x[0];
  for (int64_t k = 1; k < n; ++k) most = std::max(most, x[k * step]);
  return most;
}

Status run_softmax(RefContext& c) {
  return each_line(c, [](double* x, int64_t n, int64_t step) {
    const double most = largest(x, n, step);
    double sum = 0;
    for (int64_t k = 0; k < n; ++k) sum += x[k * step] = std::exp(x[k * step] - most);
    for (int64_t k = 0; k < n; ++k) x[k * step] /= sum;
  });
}

Status run_log_softmax(RefContext& c) {
  return each_line(c, [](double* x, int64_t n, int64_t step) {
    const double most = largest(x, n, step);
    double sum = 0;
    for (int64_t k = 0; k < n; ++k) sum += std::exp(x[k * step] - most);
    for (int64_t k = 0; k < n; ++k) x[k * step] -= most + std::log(sum);
  });
}

Status run_hardmax(RefContext& c) {
  return each_line(c, [](double* x, int64_t n, int64_t step) {
    int64_t best = 0;
    for (int64_t k = 1; k < n; ++k) best = x[k * step] > x[best * step] ? k : best;
    for (int64_t k = 0; k < n; ++k) x[k * step] = k == best ? 1.0 : 0.0;
  });
}

/// Before opset 13 the input was seen as a matrix split at `axis` (1 when not said), whose rows were normalised.
Status upgrade(OnnxNode& node) {
  if (node.version >= 13) return {};
  const int64_t axis = node.take_int("axis", 1);
  const std::optional<Shape>& shape = node.fact(0).shape;
  const auto rank = shape ? static_cast<int64_t>(shape->size()) : -1;
  if (axis == -1 || (rank >= 0 && axis == rank - 1)) {
    node.attrs["axis"] = int64_t{-1};
    return {};
  }
  const ir::ValueId extents = TRY(node.emit("Shape", ShapeAttrs{}, {node.inputs[0]}));
  const ir::ValueId matrix = TRY(node.emit("Flatten", FlattenAttrs{axis}, {node.inputs[0]}));
  const ir::ValueId rows = TRY(node.emit(node.op_type, SoftmaxAttrs{-1}, {matrix}));
  node.op_type = "Reshape";
  node.inputs = {rows, extents};
  return {};
}

std::vector<Sample> samples() {
  const auto make = [](std::string label, int64_t axis, const Dims& d, ElementType type = E::f32) {
    return Sample{std::move(label), SoftmaxAttrs{axis}, {{sample::random(type, d, -4, 4)}}};
  };
  Sample large = make("large_values", -1, {3, 17});
  for (int64_t i = 0; i < 51; ++i) large.inputs[0].value.tensor()->as<float>()[i] *= 1000.0f;
  return {make("last_1000", -1, {2, 1000}),
          make("last_17", -1, {3, 5, 17}),
          make("axis0", 0, {24, 7}),
          make("axis1_of_4", 1, {2, 17, 3, 5}),
          make("axis_negative2", -2, {3, 9, 8}),
          make("one_element", -1, {4, 1}),
          make("vector", 0, {33}),
          make("attention", -1, {1, 3, 19, 19}),
          make("no_rows", -1, {0, 5}),
          large,
          make("f64", -1, {2, 5}, E::f64),
          make("f16", -1, {2, 37}, E::f16),
          make("bf16", -1, {2, 37}, E::bf16),
          make("f16_long", -1, {1, 70, 1000}, E::f16),
          make("bf16_columns", 1, {70, 10, 100}, E::bf16)};
}

Op normalised(std::string_view op_name, Status (*run)(RefContext&)) {
  return Op(op_name, {1, 11, 13})
      .attrs<SoftmaxAttrs>()
      .in("input", kFloat)
      .out("output")
      .infer(infer)
      .reference(run)
      .samples(samples)
      .upgrade(upgrade)
      .tolerance(Tolerance::rounding);
}

}  // namespace

OpFamily softmax() {
  return {
      normalised("Softmax", run_softmax).doc("exp(x), divided by its sum along an axis"),
      normalised("LogSoftmax", run_log_softmax).doc("The logarithm of Softmax"),
      normalised("Hardmax", run_hardmax).tolerance(Tolerance::exact).doc("1 at the first largest element along an axis, else 0")};
}

}  // namespace slipway::ops

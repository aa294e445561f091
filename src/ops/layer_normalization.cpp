// LayerNormalization, RMSNormalization: rows of the trailing axes brought to unit variance (or unit mean square).
#include "ops/layer_normalization.hpp"

#include <cmath>

#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

using A = LayerNormalizationAttrs;

Status check_stash(int64_t type) {
  if (type == static_cast<int64_t>(E::f32) || type == static_cast<int64_t>(E::bf16)) return {};
  return fail(ErrorCode::invalid_model, "stash_type is {}; 1 (float) or 16 (bfloat16) is expected", type);
}

Status infer(InferContext& c) {
  const A& a = c.attrs<A>();
  TRY(check_stash(a.stash_type));
  std::optional<Shape> statistics;
  if (const Shape* x = c.shape(0)) {
    const int axis = TRY(normalize_axis(a.axis, static_cast<int>(x->size())));
    for (const size_t i : {size_t{1}, size_t{2}}) {
      if (const Shape* v = c.shape(i)) {
        const Shape together = TRY(broadcast(*x, *v));
        if (together.size() != x->size()) {
          return fail(ErrorCode::invalid_model, "scale and bias have {} axes; at most the input's {} can be", v->size(),
                      x->size());
        }
      }
    }
    statistics = *x;
    std::fill(statistics->begin() + axis, statistics->end(), Dim(1));
  }
  c.set(1, static_cast<ElementType>(a.stash_type), statistics);
  c.set(2, static_cast<ElementType>(a.stash_type), statistics);
  c.set(0, c.type(0), c.input(0).shape);
  return {};
}

Status infer_rms(InferContext& c) {
  TRY(infer(c));
  c.set(0, c.type(1), c.input(0).shape);
  return {};
}

/// Scales the normalised values by input 1 and shifts them by input 2 where present: output 0.
Status finish(RefContext& c, std::vector<double> v, ElementType type) {
  const Dims d = c.in(0).dims();
  for (const size_t i : {size_t{1}, size_t{2}}) {
    if (!c.has(i)) continue;
    if (TRY(broadcast(c.in(i).dims(), d)) != d) {
      return fail(ErrorCode::invalid_model, "input {} of shape {} does not broadcast to {}", i, to_string(c.in(i).dims()),
                  to_string(d));
    }
    const std::vector<double> by = c.doubles(i);
    walk<1>(d, {broadcast_strides(c.in(i).dims(), d)}, [&](int64_t n, const std::array<int64_t, 1>& at) {
      double& value = v[static_cast<size_t>(n)];
      value = i == 1 ? value * by[static_cast<size_t>(at[0])] : value + by[static_cast<size_t>(at[0])];
    });
  }
  c.set_doubles(0, type, d, v);
  return {};
}

Status run_layer(RefContext& c) {
  const A& a = c.attrs<A>();
  TRY(check_stash(a.stash_type));
  Dims d = c.in(0).dims();
  const int axis = TRY(normalize_axis(a.axis, d.rank()));
  const auto row = static_cast<size_t>(d.count(axis, d.rank())), rows = static_cast<size_t>(d.count(0, axis));
  std::vector<double> v = c.doubles(0), means(rows), inverse(rows);
  for (size_t r = 0; r < rows; ++r) {
    double* x = v.data() + r * row;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < row; ++i) sum += x[i];
    means[r] = sum / static_cast<double>(row);
    for (size_t i = 0; i < row; ++i) squares += (x[i] - means[r]) * (x[i] - means[r]);
    inverse[r] = 1.0 / std::sqrt(squares / static_cast<double>(row) + static_cast<double>(a.epsilon));
    for (size_t i = 0; i < row; ++i) x[i] = (x[i] - means[r]) * inverse[r];
  }
  for (int i = axis; i < d.rank(); ++i) d[i] = 1;
  c.set_doubles(1, static_cast<ElementType>(a.stash_type), d, means);
  c.set_doubles(2, static_cast<ElementType>(a.stash_type), d, inverse);
  return finish(c, std::move(v), c.in(0).type());
}

Status run_rms(RefContext& c) {
  const A& a = c.attrs<A>();
  TRY(check_stash(a.stash_type));
  const Dims d = c.in(0).dims();
  const int axis = TRY(normalize_axis(a.axis, d.rank()));
  const auto row = static_cast<size_t>(d.count(axis, d.rank())), rows = static_cast<size_t>(d.count(0, axis));
  std::vector<double> v = c.doubles(0);
  for (size_t r = 0; r < rows; ++r) {
    double* x = v.data() + r * row;
    double squares = 0;
    for (size_t i = 0; i < row; ++i) squares += x[i] * x[i];
    const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(row) + static_cast<double>(a.epsilon));
    for (size_t i = 0; i < row; ++i) x[i] *= inverse;
  }
  return finish(c, std::move(v), c.in(1).type());
}

Sample make(std::string label, A a, const Dims& x, const Dims& scale, bool bias, ElementType type = E::f32, size_t outputs = 1) {
  Sample s{std::move(label), a, {{sample::noise(type, x)}, sample::constant(sample::noise(type, scale, 2))}, outputs};
  if (bias) s.inputs.push_back(sample::constant(sample::noise(type, scale, 3)));
  return s;
}

std::vector<Sample> layer_samples() {
  return {make("last_17", {}, {3, 17}, {17}, true),
          make("last_384", {}, {2, 5, 384}, {384}, true),
          make("no_bias", {.epsilon = 1e-3f}, {4, 33}, {33}, false),
          make("axis1", {.axis = 1}, {2, 3, 4, 5}, {3, 4, 5}, true),
          make("axis0", {.axis = 0}, {6, 8}, {6, 8}, true),
          make("scale_of_one", {}, {3, 24}, {1}, true),
          make("scale_along_rows", {}, {3, 8}, {3, 1}, true),
          make("statistics", {.axis = -2}, {2, 3, 8}, {3, 8}, true, E::f32, 3),
          make("f64", {}, {2, 7}, {7}, true, E::f64),
          make("f16", {}, {2, 64}, {64}, true, E::f16),
          make("bf16", {}, {2, 64}, {64}, true, E::bf16)};
}

std::vector<Sample> rms_samples() {
  return {make("last_17", {}, {3, 17}, {17}, false), make("last_256", {.epsilon = 1e-6f}, {2, 4, 256}, {256}, false),
          make("axis1", {.axis = 1}, {2, 3, 5}, {3, 5}, false), make("f16", {}, {2, 32}, {32}, false, E::f16)};
}

}  // namespace

OpFamily layer_normalization() {
  return {
      Op("LayerNormalization", {1, 17})
          .attrs<A>()
          .in("X", kFloat)
          .in("Scale", kFloat)
          .opt("B", kFloat)
          .out("Y")
          .opt_out("Mean", types(E::f32, E::bf16), 'U')
          .opt_out("InvStdDev", types(E::f32, E::bf16), 'U')
          .infer(infer)
          .reference(run_layer)
          .samples(layer_samples)
          .tolerance(Tolerance::rounding)
          .doc("Trailing axes brought to zero mean and unit variance, then scaled and shifted"),
      Op("RMSNormalization", {23})
          .attrs<RmsNormalizationAttrs>()
          .in("X", kFloat)
          .in("scale", kFloat, 'V')
          .out("Y", kFloat, 'V')
          .infer(infer_rms)
          .reference(run_rms)
          .samples(rms_samples)
          .tolerance(Tolerance::rounding)
          .doc("Trailing axes divided by their root mean square, then scaled"),
  };
}

}  // namespace slipway::ops

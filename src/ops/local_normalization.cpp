// LRN, LpNormalization, MeanVarianceNormalization: elements divided by a measure of their neighbours.
#include "ops/local_normalization.hpp"

#include <cmath>

#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

Status infer_lrn(InferContext& c) {
  const LrnAttrs& a = c.attrs<LrnAttrs>();
  if (a.size < 1) return fail(ErrorCode::invalid_model, "size is {}; at least 1 is expected", a.size);
  if (c.shape(0) != nullptr && c.shape(0)->size() < 2)
    return Error(ErrorCode::invalid_model, "the input needs axes for batch and channels");
  c.set(0, c.type(0), c.input(0).shape);
  return {};
}

Status run_lrn(RefContext& c) {
  const LrnAttrs& a = c.attrs<LrnAttrs>();
  const Dims d = c.in(0).dims();
  if (d.rank() < 2 || a.size < 1)
    return Error(ErrorCode::invalid_model, "LRN needs batch and channel axes and a size of at least 1");
  const int64_t channels = d[1], plane = d.count(2, d.rank());
  const std::vector<double> x = c.doubles(0);
  std::vector<double> y(x.size());
  for (int64_t n = 0; n < d[0]; ++n) {
    for (int64_t ch = 0; ch < channels; ++ch) {
      const int64_t first = std::max<int64_t>(0, ch - (a.size - 1) / 2), last = std::min(channels - 1, ch + a.size / 2);
      for (int64_t i = 0; i < plane; ++i) {
        double squares = 0;
        for (int64_t k = first; k <= last; ++k) {
          const double v = x[static_cast<size_t>((n * channels + k) * plane + i)];
          squares += v * v;
        }
        const auto at = static_cast<size_t>((n * channels + ch) * plane + i);
        const double base = static_cast<double>(a.bias) + static_cast<double>(a.alpha) / static_cast<double>(a.size) * squares;
        y[at] = x[at] / std::pow(base, static_cast<double>(a.beta));
      }
    }
  }
  c.set_doubles(0, c.in(0).type(), d, y);
  return {};
}

Status infer_lp(InferContext& c) {
  const auto& a = c.attrs<LpNormalizationAttrs>();
  if (a.p != 1 && a.p != 2) return fail(ErrorCode::invalid_model, "p is {}; 1 or 2 is expected", a.p);
  if (c.shape(0) != nullptr) TRY(normalize_axis(a.axis, static_cast<int>(c.shape(0)->size())));
  c.set(0, c.type(0), c.input(0).shape);
  return {};
}

Status run_lp(RefContext& c) {
  const auto& a = c.attrs<LpNormalizationAttrs>();
  const Dims d = c.in(0).dims();
  const int axis = TRY(normalize_axis(a.axis, d.rank()));
  const int64_t n = d[axis], step = d.count(axis + 1, d.rank()), outer = d.count(0, axis);
  std::vector<double> v = c.doubles(0);
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < step; ++i) {
      double* x = v.data() + o * n * step + i;
      double norm = 0;
      for (int64_t k = 0; k < n; ++k) norm += a.p == 1 ? std::fabs(x[k * step]) : x[k * step] * x[k * step];
      if (a.p == 2) norm = std::sqrt(norm);
      for (int64_t k = 0; k < n && norm != 0; ++k) x[k * step] /= norm;
    }
  }
  c.set_doubles(0, c.in(0).type(), d, v);
  return {};
}

Status infer_mvn(InferContext& c) {
  if (const Shape* x = c.shape(0)) {
    for (const int64_t axis : c.attrs<MeanVarianceNormalizationAttrs>().axes)
      TRY(normalize_axis(axis, static_cast<int>(x->size())));
  }
  c.set(0, c.type(0), c.input(0).shape);
  return {};
}

Status run_mvn(RefContext& c) {
  constexpr double kTiny = 1e-9;
  const Dims d = c.in(0).dims();
  Dims kept = d;
  for (const int64_t axis : c.attrs<MeanVarianceNormalizationAttrs>().axes) kept[TRY(normalize_axis(axis, d.rank()))] = 1;
  std::vector<double> v = c.doubles(0);
  const auto count = static_cast<size_t>(kept.count());
  const double share = static_cast<double>(count) / static_cast<double>(v.size());
  std::vector<double> mean(count), variance(count);
  const std::array<Dims, 1> steps = {broadcast_strides(kept, d)};
  using At = std::array<int64_t, 1>;
  walk<1>(d, steps, [&](int64_t i, const At& at) { mean[static_cast<size_t>(at[0])] += v[static_cast<size_t>(i)] * share; });
  walk<1>(d, steps, [&](int64_t i, const At& at) {
    const double centred = v[static_cast<size_t>(i)] - mean[static_cast<size_t>(at[0])];
    variance[static_cast<size_t>(at[0])] += centred * centred * share;
  });
  walk<1>(d, steps, [&](int64_t i, const At& at) {
    const auto k = static_cast<size_t>(at[0]);
    v[static_cast<size_t>(i)] = (v[static_cast<size_t>(i)] - mean[k]) / (std::sqrt(variance[k]) + kTiny);
  });
  c.set_doubles(0, c.in(0).type(), d, v);
  return {};
}

Sample make(std::string label, Attrs a, const Dims& x, ElementType type = E::f32) {
  return {std::move(label), std::move(a), {{sample::noise(type, x)}}};
}

std::vector<Sample> lrn_samples() {
  return {make("size3", LrnAttrs{.alpha = 2e-4f, .beta = 0.5f, .bias = 2.0f, .size = 3}, {2, 17, 4, 5}),
          make("size4", LrnAttrs{.size = 4}, {1, 8, 3, 3}),
          make("size_over_channels", LrnAttrs{.alpha = 0.1f, .size = 9}, {1, 3, 6, 2}),
          make("f16", LrnAttrs{.size = 5}, {1, 16, 2, 2}, E::f16)};
}
std::vector<Sample> lp_samples() {
  return {make("p2_last", LpNormalizationAttrs{}, {3, 17}), make("p1_axis1", LpNormalizationAttrs{1, 1}, {2, 24, 5}),
          make("p2_axis0", LpNormalizationAttrs{0, 2}, {6, 7}), make("f64", LpNormalizationAttrs{}, {2, 3}, E::f64)};
}
std::vector<Sample> mvn_samples() {
  using A = MeanVarianceNormalizationAttrs;
  return {make("image", A{}, {2, 3, 5, 6}), make("across_channels", A{{1, 2, 3}}, {2, 17, 4, 4}), make("last", A{{-1}}, {3, 24}),
          make("f16", A{{0, 1}}, {4, 8}, E::f16)};
}

Op same_shape(std::string_view op_name, std::vector<int> versions) {
  return Op(op_name, std::move(versions)).in("X", kFloat).out("Y").tolerance(Tolerance::rounding);
}

}  // namespace

OpFamily local_normalization() {
  return {
      same_shape("LRN", {1, 13})
          .attrs<LrnAttrs>()
          .infer(infer_lrn)
          .reference(run_lrn)
          .samples(lrn_samples)
          .doc("Local response normalisation across neighbouring channels"),
      same_shape("LpNormalization", {1, 22})
          .attrs<LpNormalizationAttrs>()
          .infer(infer_lp)
          .reference(run_lp)
          .samples(lp_samples)
          .doc("An axis divided by its p-norm"),
      same_shape("MeanVarianceNormalization", {9, 13})
          .attrs<MeanVarianceNormalizationAttrs>()
          .infer(infer_mvn)
          .reference(run_mvn)
          .samples(mvn_samples)
          .doc("The given axes brought to zero mean and unit variance"),
  };
}

}  // namespace slipway::ops

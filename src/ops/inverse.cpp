// Inverse and CDist (com.microsoft).
#include <cmath>

#include "ops/elementwise.hpp"
#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

Status infer_inverse(InferContext& c) {
  if (const Shape* x = c.shape(0)) {
    if (x->size() < 2) return fail(ErrorCode::invalid_model, "the input has {} axes; matrices are expected", x->size());
    TRY(same_extent((*x)[x->size() - 2], x->back(), x->size() - 1));
  }
  return infer_same(c);
}

/// Gauss and Jordan with pivots chosen by column; false when a matrix is singular.
bool invert(double* a, double* out, int64_t n) {
  std::fill_n(out, n * n, 0.0);
  for (int64_t i = 0; i < n; ++i) out[i * n + i] = 1;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; ++i) pivot = std::abs(a[i * n + k]) > std::abs(a[pivot * n + k]) ? i : pivot;
    if (a[pivot * n + k] == 0) return false;
    for (int64_t j = 0; j < n; ++j) {
      std::swap(a[k * n + j], a[pivot * n + j]);
      std::swap(out[k * n + j], out[pivot * n + j]);
    }
    const double scale = 1 / a[k * n + k];
    for (int64_t j = 0; j < n; ++j) {
      a[k * n + j] *= scale;
      out[k * n + j] *= scale;
    }
    for (int64_t i = 0; i < n; ++i) {
      const double factor = i == k ? 0 : a[i * n + k];
      if (factor == 0) continue;
      for (int64_t j = 0; j < n; ++j) {
        a[i * n + j] -= factor * a[k * n + j];
        out[i * n + j] -= factor * out[k * n + j];
      }
    }
  }
  return true;
}

Status run_inverse(RefContext& c) {
  const Dims dims = TRY(actual_dims(c));
  const int64_t n = dims.back(), size = n * n;
  std::vector<double> x = c.doubles(0), y(x.size());
  for (int64_t at = 0; size > 0 && at < dims.count(); at += size) {
    if (!invert(x.data() + at, y.data() + at, n))
      return fail(ErrorCode::data_fault, "matrix {} is singular and has no inverse", at / size);
  }
  c.set_doubles(0, c.in(0).type(), dims, y);
  return {};
}

struct CDistAttrs {
  std::string metric = "sqeuclidean";  ///< or euclidean
  bool operator==(const CDistAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("metric", &CDistAttrs::metric)}; }
};

Status infer_cdist(InferContext& c) {
  const std::string& metric = c.attrs<CDistAttrs>().metric;
  if (metric != "sqeuclidean" && metric != "euclidean")
    return fail(ErrorCode::unsupported, "the metric '{}' is not one of sqeuclidean, euclidean", metric);
  const Shape *a = c.shape(0), *b = c.shape(1);
  for (const Shape* shape : {a, b}) {
    if (shape != nullptr && shape->size() != 2)
      return fail(ErrorCode::invalid_model, "an input has {} axes, not 2", shape->size());
  }
  if (a != nullptr && b != nullptr) TRY(same_extent((*a)[1], (*b)[1], 1));
  c.set(0, c.type(0), Shape{a != nullptr ? (*a)[0] : Dim::unknown(), b != nullptr ? (*b)[0] : Dim::unknown()});
  return {};
}

Status run_cdist(RefContext& c) {
  const Dims dims = TRY(actual_dims(c));
  const int64_t columns = c.in(0).dims()[1];
  const bool root = c.attrs<CDistAttrs>().metric == "euclidean";
  const std::vector<double> a = c.doubles(0), b = c.doubles(1);
  std::vector<double> y;
  for (int64_t i = 0; i < dims[0]; ++i) {
    for (int64_t j = 0; j < dims[1]; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < columns; ++k) {
        const double apart = a[static_cast<size_t>(i * columns + k)] - b[static_cast<size_t>(j * columns + k)];
        sum += apart * apart;
      }
      y.push_back(root ? std::sqrt(sum) : sum);
    }
  }
  c.set_doubles(0, c.in(0).type(), dims, y);
  return {};
}

std::vector<Sample> inverse_samples() {
  return {{"pivots", NoAttrs{}, {{sample::floats({2, 2, 2}, {0, 1, 1, 0, 4, 7, 2, 6})}}},
          {"f64", NoAttrs{}, {{sample::numbers(E::f64, {3, 3}, {2, 1, 0, 1, 3, 1, 0, 1, 4})}}},
          {"empty", NoAttrs{}, {{sample::counting({0, 2, 2})}}}};
}

std::vector<Sample> cdist_samples() {
  const SampleInput a{sample::noise({3, 5})}, b{sample::noise({4, 5}, 2)};
  return {{"squared", CDistAttrs{}, {a, b}}, {"euclidean", CDistAttrs{"euclidean"}, {a, b}}};
}

}  // namespace

OpFamily inverse() {
  constexpr std::string_view kMicrosoft = "com.microsoft";
  return {Op("Inverse", {1}, kMicrosoft)
              .in("X", types(E::f16, E::f32, E::f64))
              .out("Y")
              .infer(infer_inverse)
              .reference(run_inverse)
              .samples(inverse_samples)
              .tolerance(Tolerance::rounding)
              .doc("The inverse of matrices."),
          Op("CDist", {1}, kMicrosoft)
              .attrs<CDistAttrs>()
              .in("A", types(E::f32, E::f64))
              .in("B", types(E::f32, E::f64))
              .out("C")
              .infer(infer_cdist)
              .reference(run_cdist)
              .samples(cdist_samples)
              .tolerance(Tolerance::rounding)
              .doc("The distance of every row of one matrix from every row of another.")};
}

}  // namespace slipway::ops

// Det: determinants of square matrices.
#include <cmath>

#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

Status infer(InferContext& c) {
  c.set(0, c.type(0));
  const Shape* x = c.shape(0);
  if (x == nullptr) return {};
  const size_t rank = x->size();
  if (rank < 2 || ((*x)[rank - 1].known() && (*x)[rank - 2].known() && !(*x)[rank - 1].same((*x)[rank - 2]))) {
    return Error(ErrorCode::invalid_model, "the last two axes must be a square matrix");
  }
  c.set(0, c.type(0), Shape(x->begin(), x->end() - 2));
  return {};
}

/// Gaussian elimination with row exchanges; destroys m.
double determinant(double* m, int64_t n) {
  double product = 1;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; ++i) pivot = std::fabs(m[i * n + k]) > std::fabs(m[pivot * n + k]) ? i : pivot;
    if (m[pivot * n + k] == 0) return 0;
    if (pivot != k) {
      std::swap_ranges(m + k * n, m + (k + 1) * n, m + pivot * n);
      product = -product;
    }
    product *= m[k * n + k];
    for (int64_t i = k + 1; i < n; ++i) {
      const double factor = m[i * n + k] / m[k * n + k];
      for (int64_t j = k; j < n; ++j) m[i * n + j] -= factor * m[k * n + j];
    }
  }
  return product;
}

Status run(RefContext& c) {
  const Dims d = c.in(0).dims();
  if (d.rank() < 2 || d.back() != d[d.rank() - 2]) {
    return fail(ErrorCode::invalid_model, "the last two axes of shape {} are not a square matrix", to_string(d));
  }
  const int64_t n = d.back();
  const Dims yd(std::span(d.begin(), d.end() - 2));
  std::vector<double> x = c.doubles(0), y(static_cast<size_t>(yd.count()));
  for (size_t i = 0; i < y.size(); ++i) y[i] = determinant(x.data() + static_cast<int64_t>(i) * n * n, n);
  c.set_doubles(0, c.in(0).type(), yd, y);
  return {};
}

std::vector<Sample> samples() {
  return {{"matrix", {}, {{sample::noise({3, 3})}}},
          {"batched", {}, {{sample::noise({2, 3, 4, 4})}}},
          {"singular", {}, {{sample::counting({3, 3})}}},
          {"f64", {}, {{sample::noise(E::f64, {5, 5})}}}};
}

}  // namespace

OpFamily det() {
  return {Op("Det", {11, 22})
              .in("X", kFloat)
              .out("Y")
              .infer(infer)
              .reference(run)
              .samples(samples)
              .tolerance(Tolerance::rounding)
              .doc("The determinant of every square matrix")};
}

}  // namespace slipway::ops

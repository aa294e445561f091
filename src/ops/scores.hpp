// What the classifiers and regressors of ai.onnx.ml share: rows of features, scores and their transforms, class labels.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "ops/moves.hpp"
#include "ops/reference.hpp"

namespace slipway::ops {

constexpr std::string_view kMl = "ai.onnx.ml";
/// What features may be.
constexpr TypeSet kFeatures = types(E::f32, E::f64, E::i64, E::i32);

/// Numbered as TreeEnsemble's attribute.
enum class PostTransform : uint8_t { none, softmax, logistic, softmax_zero, probit };

inline Result<PostTransform> post_transform(std::string_view name) {
  constexpr std::string_view kNames[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (name == kNames[i]) return static_cast<PostTransform>(i);
  }
  return fail(ErrorCode::invalid_model, "post_transform '{}' is not one of NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO, PROBIT", name);
}

inline double logistic(double x) {
  const double v = 1 / (1 + std::exp(-std::abs(x)));
  return x < 0 ? 1 - v : v;
}

/// sqrt(2) * erf^-1(2p - 1) by Winitzki's approximation, which every runtime of ai.onnx.ml takes.
inline double probit(double p) {
  const double x = 2 * p - 1, log = std::log((1 - x) * (1 + x));
  const double v = 2 / (3.14159265358979323846 * 0.147) + 0.5 * log;
  return std::copysign(1.41421356237309504880 * std::sqrt(std::sqrt(v * v - log / 0.147) - v), x);
}

/// Softmax; with `zero_stays` a score of 0 (of a class never voted for) stays 0.
inline void softmax(std::span<double> scores, bool zero_stays) {
  if (scores.empty()) return;
  const double most = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& s : scores) {
    const bool zero = zero_stays && std::abs(s) <= 1e-7;
    s = zero ? s * std::exp(-most) : std::exp(s - most);
    sum += s;
  }
  for (double& s : scores) s = sum == 0 ? 0.5 : s / sum;
}

inline void transform(std::span<double> scores, PostTransform how) {
  switch (how) {
    case PostTransform::none:
      break;
    case PostTransform::softmax:
    case PostTransform::softmax_zero:
      softmax(scores, how == PostTransform::softmax_zero);
      break;
    case PostTransform::logistic:
      for (double& s : scores) s = logistic(s);
      break;
    case PostTransform::probit:
      for (double& s : scores) s = probit(s);
      break;
  }
}

inline size_t largest(std::span<const double> scores) {
  return static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

/// The labels of classes: numbers or strings, not both.
struct ClassLabels {
  const std::vector<int64_t>& numbers;
  const std::vector<std::string>& strings;

  size_t count() const { return std::max(numbers.size(), strings.size()); }
  ElementType type() const { return strings.empty() ? E::i64 : E::string; }
  Status check() const {
    if (numbers.empty() != strings.empty()) return {};
    return Error(ErrorCode::invalid_model, "exactly one of the class label attributes must be given");
  }
  /// Writes the label of class `k` as element i. A model of one class tells it from its absence: 1 from 0.
  void store(Tensor& to, int64_t i, size_t k) const {
    if (type() == E::i64) {
      to.as<int64_t>()[i] = k < numbers.size() && numbers.size() > 1 ? numbers[k] : static_cast<int64_t>(k);
    } else {
      to.as<std::string>()[i] = strings.size() > 1 && k < strings.size() ? strings[k] : std::to_string(k);
    }
  }
};

/// Features are [C] or [N, C]: the rows N and the columns C of a shape, unknown where it is.
struct FeatureShape {
  Dim rows = Dim::unknown(), columns = Dim::unknown();
};
inline Result<FeatureShape> feature_shape(const Shape* x) {
  if (x == nullptr) return FeatureShape{};
  if (x->size() != 1 && x->size() != 2) {
    return fail(ErrorCode::invalid_model, "the features have {} axes; [C] or [N,C] is expected", x->size());
  }
  return x->size() == 1 ? FeatureShape{Dim(1), (*x)[0]} : FeatureShape{(*x)[0], (*x)[1]};
}

/// The features of a reference: `at(n)` is row n.
class FeatureRows {
 public:
  /// Precondition: the shape rule has accepted the input.
  explicit FeatureRows(const RefContext& c) : values_(c.doubles(0)) {
    const Dims& d = c.in(0).dims();
    rows_ = d.rank() == 1 ? 1 : d[0];
    columns_ = d.back();
  }
  int64_t count() const { return rows_; }
  int64_t columns() const { return columns_; }
  std::span<const double> at(int64_t n) const {
    return std::span(values_).subspan(static_cast<size_t>(n * columns_), static_cast<size_t>(columns_));
  }

 private:
  std::vector<double> values_;
  int64_t rows_, columns_;
};

/// Products of a row with coefficients of equal length.
inline double dot(std::span<const double> x, const float* with) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += x[i] * double{with[i]};
  return sum;
}

}  // namespace slipway::ops

// LinearClassifier and LinearRegressor of ai.onnx.ml.
#include "ops/sample.hpp"
#include "ops/scores.hpp"

namespace slipway::ops {
namespace {

struct LinearClassifierAttrs {
  std::vector<int64_t> classlabels_ints;
  std::vector<std::string> classlabels_strings;
  std::vector<float> coefficients;  ///< [E, C]: one row for each score
  std::vector<float> intercepts;    ///< [E]
  int64_t multi_class = 0;          ///< how the model was trained; without meaning for the answer
  std::string post_transform = "NONE";
  bool operator==(const LinearClassifierAttrs&) const = default;
  static constexpr auto fields() {
    using A = LinearClassifierAttrs;
    return std::tuple{field("classlabels_ints", &A::classlabels_ints), field("classlabels_strings", &A::classlabels_strings),
                      field("coefficients", &A::coefficients, true),   field("intercepts", &A::intercepts),
                      field("multi_class", &A::multi_class),           field("post_transform", &A::post_transform)};
  }
  ClassLabels labels() const { return {classlabels_ints, classlabels_strings}; }
};

struct LinearRegressorAttrs {
  std::vector<float> coefficients;  ///< [targets, C]
  std::vector<float> intercepts;    ///< [targets]
  int64_t targets = 1;
  std::string post_transform = "NONE";
  bool operator==(const LinearRegressorAttrs&) const = default;
  static constexpr auto fields() {
    using A = LinearRegressorAttrs;
    return std::tuple{field("coefficients", &A::coefficients), field("intercepts", &A::intercepts), field("targets", &A::targets),
                      field("post_transform", &A::post_transform)};
  }
};

/// Rows of coefficients for C features.
Result<size_t> score_count(const std::vector<float>& coefficients, const std::vector<float>& intercepts, int64_t columns) {
  const auto count = static_cast<int64_t>(coefficients.size());
  if (columns < 1 || count == 0 || count % columns != 0) {
    return fail(ErrorCode::invalid_model, "{} coefficients do not fit {} features", count, columns);
  }
  const int64_t rows = count / columns;
  if (!intercepts.empty() && static_cast<int64_t>(intercepts.size()) != rows) {
    return fail(ErrorCode::invalid_model, "there are {} intercepts for {} scores", intercepts.size(), rows);
  }
  return static_cast<size_t>(rows);
}

void linear_scores(const std::vector<float>& coefficients, const std::vector<float>& intercepts, std::span<const double> x,
                   std::span<double> out) {
  for (size_t e = 0; e < out.size(); ++e) {
    out[e] = (intercepts.empty() ? 0 : double{intercepts[e]}) + dot(x, coefficients.data() + e * x.size());
  }
}

Status infer_classifier(InferContext& c) {
  const auto& a = c.attrs<LinearClassifierAttrs>();
  TRY(a.labels().check());
  TRY(post_transform(a.post_transform));
  const FeatureShape x = TRY(feature_shape(c.shape(0)));
  Dim scores = Dim::unknown();
  if (x.columns.known()) {
    const size_t rows = TRY(score_count(a.coefficients, a.intercepts, x.columns.value()));
    if (rows > 1 && a.labels().count() != rows)
      return fail(ErrorCode::invalid_model, "there are {} labels for {} scores", a.labels().count(), rows);
    scores = Dim(rows == 1 && a.labels().count() == 2 ? 2 : static_cast<int64_t>(rows));
  }
  c.set(0, a.labels().type(), Shape{x.rows});
  c.set(1, E::f32, Shape{x.rows, scores});
  return {};
}

Status run_classifier(RefContext& c) {
  const auto& a = c.attrs<LinearClassifierAttrs>();
  const Dims dims = TRY(actual_dims(c, 1));
  const PostTransform after = TRY(post_transform(a.post_transform));
  const FeatureRows x(c);
  const size_t rows = TRY(score_count(a.coefficients, a.intercepts, x.columns()));
  Tensor labels = c.out(0, a.labels().type(), {x.count()});
  std::vector<double> all(static_cast<size_t>(dims.count())), scores(rows);
  const auto width = static_cast<size_t>(dims[1]);
  for (int64_t n = 0; n < x.count(); ++n) {
    linear_scores(a.coefficients, a.intercepts, x.at(n), scores);
    a.labels().store(labels, n, rows == 1 ? (scores[0] > 0 ? 1 : 0) : largest(scores));
    const std::span<double> out = std::span(all).subspan(static_cast<size_t>(n) * width, width);
    if (width == rows) {
      std::copy(scores.begin(), scores.end(), out.begin());
    } else {
      out[0] = -scores[0];
      out[1] = scores[0];
    }
    transform(out, after);
  }
  c.set_doubles(1, E::f32, dims, all);
  return {};
}

Status infer_regressor(InferContext& c) {
  const auto& a = c.attrs<LinearRegressorAttrs>();
  TRY(post_transform(a.post_transform));
  const FeatureShape x = TRY(feature_shape(c.shape(0)));
  if (x.columns.known() && static_cast<int64_t>(TRY(score_count(a.coefficients, a.intercepts, x.columns.value()))) != a.targets) {
    return fail(ErrorCode::invalid_model, "{} coefficients are not those of {} targets", a.coefficients.size(), a.targets);
  }
  c.set(0, E::f32, Shape{x.rows, a.targets > 0 ? Dim(a.targets) : Dim::unknown()});
  return {};
}

Status run_regressor(RefContext& c) {
  const auto& a = c.attrs<LinearRegressorAttrs>();
  const Dims dims = TRY(actual_dims(c));
  const PostTransform after = TRY(post_transform(a.post_transform));
  const FeatureRows x(c);
  std::vector<double> all(static_cast<size_t>(dims.count()));
  const auto targets = static_cast<size_t>(a.targets);
  for (int64_t n = 0; n < x.count(); ++n) {
    const std::span<double> out = std::span(all).subspan(static_cast<size_t>(n) * targets, targets);
    linear_scores(a.coefficients, a.intercepts, x.at(n), out);
    transform(out, after);
  }
  c.set_doubles(0, E::f32, dims, all);
  return {};
}

std::vector<Sample> classifier_samples() {
  using A = LinearClassifierAttrs;
  const A three{{4, 5, 6}, {}, {1, 2, 3, -1, -2, 1, 0, 0.5f, -1}, {0.1f, 0, -0.2f}, 0, "NONE"};
  A soft = three, zero = three, normal = three;
  soft.post_transform = "SOFTMAX";
  zero.post_transform = "SOFTMAX_ZERO";
  normal.post_transform = "PROBIT";
  normal.coefficients = {0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f};
  normal.intercepts = {0.5f, 0.4f, 0.6f};
  const A pair{{}, {"no", "yes"}, {1, -1, 0.5f}, {0.25f}, 0, "LOGISTIC"};
  const SampleInput x{sample::noise({4, 3})};
  return {{"three", three, {x}, 2},
          {"softmax", soft, {x}, 2},
          {"softmax_zero", zero, {x}, 2},
          {"probit", normal, {x}, 2},
          {"binary_strings", pair, {x}, 2},
          {"integers", three, {{sample::random(E::i64, {2, 3}, -5, 5)}}, 2},
          {"one_row", three, {{sample::noise(E::f64, {3})}}, 2}};
}

std::vector<Sample> regressor_samples() {
  using A = LinearRegressorAttrs;
  return {{"one", A{{1, -2, 0.5f}, {0.25f}}, {{sample::noise({4, 3})}}},
          {"two", A{{1, -2, 0.5f, 3, 1, 1}, {}, 2, "SOFTMAX"}, {{sample::noise({4, 3})}}},
          {"integers", A{{1, -2, 0.5f}, {}}, {{sample::random(E::i32, {2, 3}, -5, 5)}}}};
}

}  // namespace

OpFamily linear_model() {
  return {Op("LinearClassifier", {1}, kMl)
              .attrs<LinearClassifierAttrs>()
              .in("X", kFeatures)
              .out("Y", types(E::string, E::i64), 0)
              .out("Z", types(E::f32), 0)
              .infer(infer_classifier)
              .reference(run_classifier)
              .samples(classifier_samples)
              .tolerance(Tolerance::rounding)
              .doc("The class of the largest linear score, and the scores."),
          Op("LinearRegressor", {1}, kMl)
              .attrs<LinearRegressorAttrs>()
              .in("X", kFeatures)
              .out("Y", types(E::f32), 0)
              .infer(infer_regressor)
              .reference(run_regressor)
              .samples(regressor_samples)
              .tolerance(Tolerance::rounding)
              .doc("Linear functions of the features.")};
}

}  // namespace slipway::ops

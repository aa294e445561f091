// SVMClassifier and SVMRegressor of ai.onnx.ml.
#include "ops/sample.hpp"
#include "ops/scores.hpp"

namespace slipway::ops {
namespace {

/// The attributes that both have.
struct SvmAttrs {
  std::string kernel_type = "LINEAR";  ///< LINEAR | POLY | RBF | SIGMOID
  std::vector<float> kernel_params;    ///< gamma, coef0, degree
  std::vector<float> support_vectors;  ///< [vectors, C]
  std::vector<float> coefficients;     ///< classifier: [classes - 1, vectors], without vectors [classes, C]; regressor: [vectors]
  std::vector<float> rho;              ///< one for each pair of classes
  std::string post_transform = "NONE";
  bool operator==(const SvmAttrs&) const = default;
  /// As fields of the whole, A.
  template <class A>
  static constexpr auto shared_fields() {
    return std::tuple{field<A, std::string>("kernel_type", &A::kernel_type),
                      field<A, std::vector<float>>("kernel_params", &A::kernel_params),
                      field<A, std::vector<float>>("support_vectors", &A::support_vectors),
                      field<A, std::vector<float>>("coefficients", &A::coefficients),
                      field<A, std::vector<float>>("rho", &A::rho),
                      field<A, std::string>("post_transform", &A::post_transform)};
  }
  float param(size_t i) const { return i < kernel_params.size() ? kernel_params[i] : 0.0f; }
};

struct SvmClassifierAttrs : SvmAttrs {
  std::vector<int64_t> classlabels_ints;
  std::vector<std::string> classlabels_strings;
  std::vector<int64_t> vectors_per_class;
  std::vector<float> prob_a, prob_b;  ///< one for each pair of classes: scores become probabilities
  bool operator==(const SvmClassifierAttrs&) const = default;
  static constexpr auto fields() {
    using A = SvmClassifierAttrs;
    return std::tuple_cat(
        shared_fields<A>(),
        std::tuple{field("classlabels_ints", &A::classlabels_ints), field("classlabels_strings", &A::classlabels_strings),
                   field("vectors_per_class", &A::vectors_per_class), field("prob_a", &A::prob_a), field("prob_b", &A::prob_b)});
  }
  ClassLabels labels() const { return {classlabels_ints, classlabels_strings}; }
  size_t pairs() const { return labels().count() * (labels().count() - 1) / 2; }
};

struct SvmRegressorAttrs : SvmAttrs {
  int64_t n_supports = 0;
  int64_t one_class = 0;  ///< 1: only the sign, as 1 or -1
  bool operator==(const SvmRegressorAttrs&) const = default;
  static constexpr auto fields() {
    using A = SvmRegressorAttrs;
    return std::tuple_cat(shared_fields<A>(), std::tuple{field("n_supports", &A::n_supports), field("one_class", &A::one_class)});
  }
};

constexpr std::string_view kKernels[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};

Status check_kernel(const SvmAttrs& a) {
  if (std::find(std::begin(kKernels), std::end(kKernels), a.kernel_type) == std::end(kKernels)) {
    return fail(ErrorCode::invalid_model, "kernel_type '{}' is not one of LINEAR, POLY, RBF, SIGMOID", a.kernel_type);
  }
  if (!a.kernel_params.empty() && a.kernel_params.size() != 3)
    return fail(ErrorCode::invalid_model, "there are {} kernel_params; gamma, coef0 and degree are expected",
                a.kernel_params.size());
  TRY(post_transform(a.post_transform));
  return {};
}

double kernel(const SvmAttrs& a, std::span<const double> x, const float* with) {
  const double gamma = a.param(0), offset = a.param(1);
  if (a.kernel_type == "LINEAR") return dot(x, with);
  if (a.kernel_type == "POLY") return std::pow(gamma * dot(x, with) + offset, double{a.param(2)});
  if (a.kernel_type == "SIGMOID") return std::tanh(gamma * dot(x, with) + offset);
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += (x[i] - double{with[i]}) * (x[i] - double{with[i]});
  return std::exp(-gamma * sum);
}

/// Support vectors in all. invalid_model when the lists of attributes do not fit each other.
Result<size_t> vector_count(const SvmClassifierAttrs& a) {
  const size_t classes = a.labels().count();
  if (a.vectors_per_class.empty()) {
    if (a.coefficients.empty() || a.coefficients.size() % classes != 0 || a.rho.empty())
      return Error(ErrorCode::invalid_model, "a linear model needs rho and one row of coefficients for each class");
    return size_t{0};
  }
  size_t vectors = 0;
  for (int64_t n : a.vectors_per_class) {
    if (n < 0 || static_cast<size_t>(n) > a.support_vectors.size())
      return fail(ErrorCode::invalid_model, "a class has {} support vectors", n);
    vectors += static_cast<size_t>(n);
  }
  const bool paired = a.prob_a.size() == a.prob_b.size() && (a.prob_a.empty() || a.prob_a.size() >= a.pairs());
  if (vectors == 0 || a.support_vectors.size() % vectors != 0 || a.vectors_per_class.size() != classes || classes < 2 ||
      a.coefficients.size() / vectors < classes - 1 || a.rho.size() < a.pairs() || !paired) {
    return fail(
        ErrorCode::invalid_model,
        "{} support vector elements, {} coefficients, {} rho, {} prob_a and {} prob_b do not fit {} classes of {} vectors",
        a.support_vectors.size(), a.coefficients.size(), a.rho.size(), a.prob_a.size(), a.prob_b.size(), classes, vectors);
  }
  return vectors;
}

/// Length of a row of features.
size_t expected_columns(const SvmClassifierAttrs& a, size_t vectors) {
  return vectors == 0 ? a.coefficients.size() / a.labels().count() : a.support_vectors.size() / vectors;
}

size_t score_count(const SvmClassifierAttrs& a, size_t vectors) {
  const bool pairs = vectors != 0 && a.prob_a.empty() && a.labels().count() > 2;
  return pairs ? a.pairs() : a.labels().count();
}

Status infer_classifier(InferContext& c) {
  const auto& a = c.attrs<SvmClassifierAttrs>();
  TRY(a.labels().check());
  TRY(check_kernel(a));
  const size_t vectors = TRY(vector_count(a));
  const FeatureShape x = TRY(feature_shape(c.shape(0)));
  if (x.columns.known() && x.columns.value() != static_cast<int64_t>(expected_columns(a, vectors))) {
    return fail(ErrorCode::invalid_model, "there are {} features, the model has {}", x.columns.value(),
                expected_columns(a, vectors));
  }
  c.set(0, a.labels().type(), Shape{x.rows});
  c.set(1, E::f32, Shape{x.rows, Dim(static_cast<int64_t>(score_count(a, vectors)))});
  return {};
}

/// The score of every pair of classes (i, j > i): above 0 for i.
std::vector<double> pair_scores(const SvmClassifierAttrs& a, std::span<const double> x, size_t vectors) {
  std::vector<double> kernels(vectors), out;
  for (size_t v = 0; v < vectors; ++v) kernels[v] = kernel(a, x, a.support_vectors.data() + v * x.size());
  const auto part = [&](size_t row, size_t first, int64_t count) {
    double sum = 0;
    for (size_t v = first; v < first + static_cast<size_t>(count); ++v)
      sum += double{a.coefficients[row * vectors + v]} * kernels[v];
    return sum;
  };
  size_t from_i = 0;
  for (size_t i = 0; i < a.vectors_per_class.size(); ++i) {
    size_t from_j = from_i + static_cast<size_t>(a.vectors_per_class[i]);
    for (size_t j = i + 1; j < a.vectors_per_class.size(); ++j) {
      out.push_back(double{a.rho[out.size()]} + part(j - 1, from_i, a.vectors_per_class[i]) +
                    part(i, from_j, a.vectors_per_class[j]));
      from_j += static_cast<size_t>(a.vectors_per_class[j]);
    }
    from_i += static_cast<size_t>(a.vectors_per_class[i]);
  }
  return out;
}

size_t most_votes(const std::vector<double>& pairs, size_t classes) {
  std::vector<int> votes(classes);
  size_t pair = 0;
  for (size_t i = 0; i < classes; ++i) {
    for (size_t j = i + 1; j < classes; ++j) ++votes[pairs[pair++] > 0 ? i : j];
  }
  return static_cast<size_t>(std::max_element(votes.begin(), votes.end()) - votes.begin());
}

/// Class probabilities from those of pairs: Wu, Lin and Weng, "Probability Estimates for Multi-class Classification by Pairwise
/// Coupling" (2004), algorithm 2.
std::vector<double> couple(const std::vector<double>& r, size_t k) {
  std::vector<double> p(k, 1 / static_cast<double>(k)), q(k * k), qp(k);
  for (size_t i = 0; i < k; ++i) {
    for (size_t j = 0; j < k; ++j) {
      if (i == j) continue;
      q[i * k + i] += r[j * k + i] * r[j * k + i];
      q[i * k + j] = -r[j * k + i] * r[i * k + j];
    }
  }
  const double close_enough = 0.005 / static_cast<double>(k);
  for (size_t round = 0; round < std::max<size_t>(100, k); ++round) {
    double all = 0, error = 0;
    for (size_t i = 0; i < k; ++i) {
      qp[i] = 0;
      for (size_t j = 0; j < k; ++j) qp[i] += q[i * k + j] * p[j];
      all += p[i] * qp[i];
    }
    for (double each : qp) error = std::max(error, std::abs(each - all));
    if (error < close_enough) break;
    for (size_t i = 0; i < k; ++i) {
      const double step = (all - qp[i]) / q[i * k + i];
      p[i] += step;
      all = (all + step * (step * q[i * k + i] + 2 * qp[i])) / (1 + step) / (1 + step);
      for (size_t j = 0; j < k; ++j) {
        qp[j] = (qp[j] + step * q[i * k + j]) / (1 + step);
        p[j] /= 1 + step;
      }
    }
  }
  return p;
}

std::vector<double> probabilities(const SvmClassifierAttrs& a, const std::vector<double>& pairs) {
  const size_t classes = a.labels().count();
  std::vector<double> r(classes * classes);
  size_t pair = 0;
  for (size_t i = 0; i < classes; ++i) {
    for (size_t j = i + 1; j < classes; ++j, ++pair) {
      const double p = 1 - logistic(pairs[pair] * double{a.prob_a[pair]} + double{a.prob_b[pair]});
      r[i * classes + j] = std::clamp(p, 1e-7, 1 - 1e-7);
      r[j * classes + i] = 1 - r[i * classes + j];
    }
  }
  return couple(r, classes);
}

Status run_classifier(RefContext& c) {
  const auto& a = c.attrs<SvmClassifierAttrs>();
  const Dims dims = TRY(actual_dims(c, 1));
  const size_t vectors = TRY(vector_count(a)), classes = a.labels().count();
  const PostTransform after = TRY(post_transform(a.post_transform));
  const FeatureRows x(c);
  Tensor labels = c.out(0, a.labels().type(), {x.count()});
  std::vector<double> all;
  for (int64_t n = 0; n < x.count(); ++n) {
    std::vector<double> scores;
    size_t chosen = 0;
    if (vectors == 0) {
      for (size_t k = 0; k < classes; ++k)
        scores.push_back(double{a.rho[0]} + dot(x.at(n), a.coefficients.data() + k * x.at(n).size()));
      chosen = classes == 1 ? (scores[0] > 0 ? 1 : 0) : largest(scores);
    } else {
      scores = pair_scores(a, x.at(n), vectors);
      chosen = most_votes(scores, classes);
      if (!a.prob_a.empty()) {
        scores = probabilities(a, scores);
      } else if (classes == 2) {
        scores = {-scores[0], scores[0]};
      }
    }
    a.labels().store(labels, n, chosen);
    transform(scores, after);
    all.insert(all.end(), scores.begin(), scores.end());
  }
  c.set_doubles(1, E::f32, dims, all);
  return {};
}

Status infer_regressor(InferContext& c) {
  const auto& a = c.attrs<SvmRegressorAttrs>();
  TRY(check_kernel(a));
  const auto vectors = static_cast<size_t>(a.n_supports);
  if (a.n_supports < 0 || a.rho.empty() ||
      (vectors != 0 && (a.support_vectors.size() % vectors != 0 || a.coefficients.size() < vectors)))
    return fail(ErrorCode::invalid_model, "{} support vector elements and {} coefficients do not fit {} vectors",
                a.support_vectors.size(), a.coefficients.size(), a.n_supports);
  const FeatureShape x = TRY(feature_shape(c.shape(0)));
  const size_t columns = vectors == 0 ? a.coefficients.size() : a.support_vectors.size() / vectors;
  if (x.columns.known() && x.columns.value() != static_cast<int64_t>(columns))
    return fail(ErrorCode::invalid_model, "there are {} features, the model has {}", x.columns.value(), columns);
  c.set(0, E::f32, Shape{x.rows, Dim(1)});
  return {};
}

Status run_regressor(RefContext& c) {
  const auto& a = c.attrs<SvmRegressorAttrs>();
  const Dims dims = TRY(actual_dims(c));
  const PostTransform after = TRY(post_transform(a.post_transform));
  const FeatureRows x(c);
  std::vector<double> all;
  for (int64_t n = 0; n < x.count(); ++n) {
    double sum = a.rho[0];
    if (a.n_supports == 0) sum += dot(x.at(n), a.coefficients.data());
    for (size_t v = 0; v < static_cast<size_t>(a.n_supports); ++v)
      sum += double{a.coefficients[v]} * kernel(a, x.at(n), a.support_vectors.data() + v * x.at(n).size());
    if (a.one_class != 0) sum = sum > 0 ? 1 : -1;
    transform({&sum, 1}, after);
    all.push_back(sum);
  }
  c.set_doubles(0, E::f32, dims, all);
  return {};
}

std::vector<float> numbers(size_t count, uint64_t seed) {
  const Tensor t = sample::noise({static_cast<int64_t>(count)}, seed);
  return std::vector<float>(t.as<float>(), t.as<float>() + count);
}

std::vector<Sample> classifier_samples() {
  const auto make = [](std::string_view kernel_type, size_t classes) {
    SvmClassifierAttrs a;
    a.kernel_type = kernel_type;
    a.kernel_params = {0.5f, 0.25f, 3};
    for (size_t k = 0; k < classes; ++k) {
      a.classlabels_ints.push_back(static_cast<int64_t>(10 + k));
      a.vectors_per_class.push_back(2);
    }
    a.support_vectors = numbers(classes * 2 * 3, 2);
    a.coefficients = numbers((classes - 1) * classes * 2, 3);
    a.rho = numbers(a.pairs(), 4);
    return a;
  };
  const SampleInput x{sample::noise({5, 3})};
  SvmClassifierAttrs likely = make("RBF", 3), words = make("SIGMOID", 2), linear;
  likely.prob_a = {-1, -2, -1.5f};
  likely.prob_b = {0.1f, 0, -0.1f};
  words.classlabels_ints.clear();
  words.classlabels_strings = {"no", "yes"};
  words.post_transform = "LOGISTIC";
  linear.classlabels_ints = {0, 1, 2};
  linear.coefficients = numbers(9, 5);
  linear.rho = {0.1f};
  return {{"rbf", make("RBF", 3), {x}, 2},   {"poly", make("POLY", 2), {x}, 2},
          {"probabilities", likely, {x}, 2}, {"words", words, {x}, 2},
          {"linear", linear, {x}, 2},        {"integers", make("LINEAR", 4), {{sample::random(E::i64, {2, 3}, -3, 3)}}, 2}};
}

std::vector<Sample> regressor_samples() {
  SvmRegressorAttrs a;
  a.kernel_type = "RBF";
  a.kernel_params = {0.5f, 0, 0};
  a.support_vectors = numbers(12, 2);
  a.coefficients = numbers(4, 3);
  a.rho = {0.2f};
  a.n_supports = 4;
  SvmRegressorAttrs outliers = a, linear;
  outliers.one_class = 1;
  linear.coefficients = numbers(3, 4);
  linear.rho = {-0.1f};
  const SampleInput x{sample::noise({5, 3})};
  return {{"rbf", a, {x}}, {"one_class", outliers, {x}}, {"linear", linear, {{sample::noise(E::f64, {2, 3})}}}};
}

}  // namespace

OpFamily support_vectors() {
  return {Op("SVMClassifier", {1}, kMl)
              .attrs<SvmClassifierAttrs>()
              .in("X", kFeatures)
              .out("Y", types(E::string, E::i64), 0)
              .out("Z", types(E::f32), 0)
              .infer(infer_classifier)
              .reference(run_classifier)
              .samples(classifier_samples)
              .tolerance(Tolerance::rounding)
              .doc("The class most pairs of classes vote for, and scores or probabilities."),
          Op("SVMRegressor", {1}, kMl)
              .attrs<SvmRegressorAttrs>()
              .in("X", kFeatures)
              .out("Y", types(E::f32), 0)
              .infer(infer_regressor)
              .reference(run_regressor)
              .samples(regressor_samples)
              .tolerance(Tolerance::rounding)
              .doc("A sum of kernels with support vectors; for one class its sign.")};
}

}  // namespace slipway::ops

// SoftmaxCrossEntropyLoss and NegativeLogLikelihoodLoss.
#include <cmath>

#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

/// Input [N, C, space...], labels [N, space...], weights [C].
struct LossAttrs {
  std::optional<int64_t> ignore_index;
  std::string reduction = "mean";  ///< none | sum | mean
  bool operator==(const LossAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("ignore_index", &LossAttrs::ignore_index), field("reduction", &LossAttrs::reduction)};
  }
};

Status check(const LossAttrs& a) {
  if (a.reduction == "none" || a.reduction == "sum" || a.reduction == "mean") return {};
  return fail(ErrorCode::invalid_model, "reduction is '{}'; none, sum or mean is expected", a.reduction);
}

Status infer(InferContext& c) {
  const LossAttrs& a = c.attrs<LossAttrs>();
  TRY(check(a));
  const Shape *x = c.shape(0), *labels = c.shape(1);
  if (x != nullptr && (x->size() < 2 || (labels != nullptr && labels->size() + 1 != x->size()))) {
    return Error(ErrorCode::invalid_model, "scores must be [N, C, space...] and labels [N, space...]");
  }
  std::optional<Shape> y;
  if (a.reduction != "none") {
    y = Shape{};
  } else if (labels != nullptr) {
    y = *labels;
  }
  c.set(0, c.type(0), std::move(y));
  c.set(1, c.type(0), c.input(0).shape);
  return {};
}

/// The loss from log-probabilities.
Status reduce(RefContext& c, const std::vector<double>& log_prob) {
  const LossAttrs& a = c.attrs<LossAttrs>();
  TRY(check(a));
  const Dims d = c.in(0).dims(), ld = c.in(1).dims();
  bool fits = d.rank() >= 2 && ld.rank() == d.rank() - 1 && ld[0] == d[0];
  for (int i = 2; fits && i < d.rank(); ++i) fits = d[i] == ld[i - 1];
  if (!fits || (c.has(2) && c.in(2).count() != d[1])) {
    return fail(ErrorCode::invalid_model, "scores {}, labels {} and weights do not fit together", to_string(d), to_string(ld));
  }
  const int64_t classes = d[1], space = d.count(2, d.rank());
  const std::vector<int64_t> labels = c.ints(1);
  const std::vector<double> weights = c.has(2) ? c.doubles(2) : std::vector<double>(static_cast<size_t>(classes), 1.0);
  std::vector<double> loss(labels.size());
  double sum = 0, total_weight = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const int64_t label = labels[i];
    if (a.ignore_index && label == *a.ignore_index) continue;
    if (label < 0 || label >= classes) return fail(ErrorCode::data_fault, "label {} is outside the {} classes", label, classes);
    const auto at = static_cast<int64_t>(i);
    const double weight = weights[static_cast<size_t>(label)];
    loss[i] = -log_prob[static_cast<size_t>((at / space * classes + label) * space + at % space)] * weight;
    sum += loss[i];
    total_weight += weight;
  }
  if (a.reduction == "none") {
    c.set_doubles(0, c.in(0).type(), ld, loss);
  } else {
    const double scalar = a.reduction == "sum" ? sum : sum / total_weight;
    c.set_doubles(0, c.in(0).type(), {}, std::span(&scalar, 1));
  }
  return {};
}

Status run_likelihood(RefContext& c) {
  return reduce(c, c.doubles(0));
}

Status run_cross_entropy(RefContext& c) {
  const Dims d = c.in(0).dims();
  if (d.rank() < 2) return fail(ErrorCode::invalid_model, "scores have the shape {}; [N, C, space...] is expected", to_string(d));
  const int64_t classes = d[1], space = d.count(2, d.rank());
  std::vector<double> v = c.doubles(0);
  for (int64_t n = 0; n < d[0] * space && classes > 0; ++n) {
    double* x = v.data() + n / space * classes * space + n % space;
    double most = x[0], sum = 0;
    for (int64_t k = 1; k < classes; ++k) most = std::max(most, x[k * space]);
    for (int64_t k = 0; k < classes; ++k) sum += std::exp(x[k * space] - most);
    for (int64_t k = 0; k < classes; ++k) x[k * space] -= most + std::log(sum);
  }
  c.set_doubles(1, c.in(0).type(), d, v);
  return reduce(c, v);
}

std::vector<Sample> make_samples(size_t outputs) {
  const SampleInput scores = {sample::noise({3, 5})}, labels = {sample::numbers(E::i64, {3}, {0, 4, 2})};
  const SampleInput image = {sample::noise({2, 3, 2, 2})},
                    pixels = {sample::numbers(E::i32, {2, 2, 2}, {0, 1, 2, 2, 1, 0, 0, 1})};
  const SampleInput weights = {sample::random({3}, 0.5, 2)};
  return {{"mean", LossAttrs{}, {scores, labels}, outputs},
          {"sum_weighted", LossAttrs{.reduction = "sum"}, {image, pixels, weights}, outputs},
          {"none_ignored", LossAttrs{1, "none"}, {image, pixels}, outputs},
          {"mean_weighted_ignored", LossAttrs{.ignore_index = 0}, {image, pixels, weights}, outputs}};
}
std::vector<Sample> likelihood_samples() {
  return make_samples(1);
}
std::vector<Sample> cross_entropy_samples() {
  return make_samples(2);
}

}  // namespace

OpFamily loss() {
  return {
      Op("SoftmaxCrossEntropyLoss", {12, 13})
          .attrs<LossAttrs>()
          .in("scores", kFloat)
          .in("labels", kIndex, 'I')
          .opt("weights", kFloat)
          .out("output")
          .opt_out("log_prob")
          .infer(infer)
          .reference(run_cross_entropy)
          .samples(cross_entropy_samples)
          .tolerance(Tolerance::rounding)
          .doc("The weighted negative log-probability of the labels under Softmax"),
      Op("NegativeLogLikelihoodLoss", {12, 13, 22})
          .attrs<LossAttrs>()
          .in("input", kFloat)
          .in("target", kIndex, 'I')
          .opt("weight", kFloat)
          .out("loss")
          .infer(infer)
          .reference(run_likelihood)
          .samples(likelihood_samples)
          .tolerance(Tolerance::rounding)
          .doc("The weighted negative log-likelihood of the labels"),
  };
}

}  // namespace slipway::ops

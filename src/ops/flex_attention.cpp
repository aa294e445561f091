// FlexAttention: scaled dot-product attention with graphs that change the scores and the probabilities.
#include <algorithm>
#include <cmath>

#include "base/low_precision.hpp"
#include "ops/moves.hpp"
#include "ops/sample.hpp"
#include "ops/sample_body.hpp"
#include "ops/subgraph.hpp"

namespace slipway::ops {
namespace {

/// Inputs: Q [B, Hq, L, E], K [B, H, S, E], V [B, H, S, Ev].
struct FlexAttentionAttrs {
  ir::GraphRef score_mod, prob_mod;  ///< [B, Hq, L, S] to the same
  std::optional<float> scale;        ///< absent: 1 / sqrt(E)
  ElementType softmax_precision = ElementType::undefined;
  bool operator==(const FlexAttentionAttrs&) const = default;
  static constexpr auto fields() {
    using A = FlexAttentionAttrs;
    return std::tuple{field("score_mod", &A::score_mod), field("prob_mod", &A::prob_mod), field("scale", &A::scale),
                      field("softmax_precision", &A::softmax_precision)};
  }
};

Status infer(InferContext& c) {
  const auto& a = c.attrs<FlexAttentionAttrs>();
  if (a.softmax_precision != ElementType::undefined && !contains(kFloat, a.softmax_precision)) {
    return fail(ErrorCode::invalid_model, "softmax_precision cannot be {}", name(a.softmax_precision));
  }
  for (const ir::GraphRef& graph : {a.score_mod, a.prob_mod}) {
    if (graph && graph->outputs().size() != 1) return Error(ErrorCode::invalid_model, "a modifier must have one output");
  }
  const Shape *q = c.shape(0), *k = c.shape(1), *v = c.shape(2);
  for (const Shape* shape : {q, k, v}) {
    if (shape != nullptr && shape->size() != 4)
      return fail(ErrorCode::invalid_model, "an input has {} axes; 4 are expected", shape->size());
  }
  std::optional<Shape> y;
  if (q != nullptr && k != nullptr && v != nullptr) {
    for (size_t axis : {0, 1, 2}) TRY(same_extent((*k)[axis], (*v)[axis], axis));
    TRY(same_extent((*q)[0], (*k)[0], 0));
    TRY(same_extent((*q)[3], (*k)[3], 3));
    const Dim heads = (*q)[1], shared = (*k)[1];
    if (heads.known() && shared.known() && (shared.value() == 0 || heads.value() % shared.value() != 0)) {
      return fail(ErrorCode::invalid_model, "{} query heads are not a multiple of {} key heads", heads.value(), shared.value());
    }
    y = Shape{(*q)[0], (*q)[1], (*q)[2], (*v)[3]};
  }
  c.set(0, c.type(0), std::move(y));
  return {};
}

/// The scores through a modifier, in its element type.
Result<std::vector<double>> modify(const RefContext& c, const ir::GraphRef& graph, std::vector<double> scores, ElementType type,
                                   const Dims& dims) {
  Tensor t(type, dims);
  from_doubles(scores, t.view());
  if (graph) {
    const std::vector<Value> results = TRY(c.call(*graph, {t}));
    const Tensor* out = results.size() == 1 ? results[0].tensor() : nullptr;
    if (out == nullptr || !(out->dims() == dims) || !contains(kFloat, out->type()))
      return Error(ErrorCode::data_fault, "a modifier must keep type and shape of the scores");
    t = *out;
  }
  return to_doubles(t.view());
}

void softmax_rows(std::vector<double>& x, int64_t columns) {
  for (auto row = x.begin(); row != x.end(); row += columns) {
    const double most = *std::max_element(row, row + columns);
    double sum = 0;
    for (auto at = row; at != row + columns; ++at) sum += * at = std::exp(*at - most);
    for (auto at = row; at != row + columns; ++at) *at /= sum;
  }
}

Status run(RefContext& c) {
  const auto& a = c.attrs<FlexAttentionAttrs>();
  TRY(actual_facts(c));
  const Dims qd = c.in(0).dims(), vd = c.in(2).dims();
  const int64_t length = qd[2], size = qd[3], others = vd[2], width = vd[3], group = vd[1] == 0 ? 1 : qd[1] / vd[1];
  const std::vector<double> q = c.doubles(0), k = c.doubles(1), v = c.doubles(2);
  const ElementType own = c.in(0).type();
  ElementType precise = a.softmax_precision;
  if (precise == ElementType::undefined) precise = own == ElementType::f64 ? own : ElementType::f32;
  const double scale = a.scale ? double{*a.scale} : 1 / std::sqrt(static_cast<double>(size));
  const Dims grid{qd[0], qd[1], length, others};
  std::vector<double> scores(static_cast<size_t>(grid.count()));
  const auto shared = [&](int64_t head) { return head / qd[1] * vd[1] + head % qd[1] / group; };
  for (int64_t head = 0; head < qd[0] * qd[1]; ++head) {
    for (int64_t i = 0; i < length * others; ++i) {
      const double* left = q.data() + (head * length + i / others) * size;
      const double* right = k.data() + (shared(head) * others + i % others) * size;
      double sum = 0;
      for (int64_t e = 0; e < size; ++e) sum += left[e] * right[e];
      scores[static_cast<size_t>(head * length * others + i)] = scale * sum;
    }
  }
  scores = TRY(modify(c, a.score_mod, std::move(scores), precise, grid));
  if (others > 0) softmax_rows(scores, others);
  scores = TRY(modify(c, a.prob_mod, std::move(scores), precise, grid));
  const Dims dims{qd[0], qd[1], length, width};
  std::vector<double> y(static_cast<size_t>(dims.count()));
  for (int64_t row = 0; row < qd[0] * qd[1] * length; ++row) {
    for (int64_t s = 0; s < others; ++s) {
      const double weight = scores[static_cast<size_t>(row * others + s)];
      const double* from = v.data() + (shared(row / length) * others + s) * width;
      for (int64_t e = 0; e < width; ++e) y[static_cast<size_t>(row * width + e)] += weight * from[e];
    }
  }
  c.set_doubles(0, own, dims, y);
  return {};
}

std::vector<Sample> samples() {
  using sample::noise;
  const SampleInput q{noise({2, 4, 3, 8})}, k{noise({2, 2, 5, 8}, 2)}, v{noise({2, 2, 5, 6}, 3)};
  const ir::GraphRef tanh =
      sample::body({Fact::tensor(E::f32, Shape(4, Dim::unknown()))},
                   [](ir::Graph& g) -> std::vector<ir::ValueId> { return {sample::node(g, "Tanh", g.inputs())}; });
  return {{"plain", FlexAttentionAttrs{}, {{noise({1, 2, 3, 4})}, {noise({1, 2, 5, 4}, 2)}, {noise({1, 2, 5, 4}, 3)}}},
          {"groups", FlexAttentionAttrs{.scale = 0.3f}, {q, k, v}},
          {"modified", FlexAttentionAttrs{.score_mod = tanh, .prob_mod = tanh}, {q, k, v}}};
}

}  // namespace

OpFamily flex_attention() {
  return {Op("FlexAttention", {1}, "ai.onnx.preview")
              .attrs<FlexAttentionAttrs>()
              .in("Q", kFloat)
              .in("K", kFloat)
              .in("V", kFloat)
              .out("Y")
              .flag(ir::OpInfo::kHasSubgraph)
              .infer(infer)
              .reference(run)
              .samples(samples)
              .tolerance(Tolerance::rounding)
              .doc("Attention with graphs that change its scores and probabilities.")};
}

}  // namespace slipway::ops

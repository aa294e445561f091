// CausalConvWithState: a depthwise convolution along time that sees only the past, with the tail of its input carried along.
#include <cmath>

#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

/// Inputs: input [N, C, L], weight [C, 1, K], bias [C], past_state [N, C, K - 1].
struct CausalConvAttrs {
  std::string activation = "none";  ///< silu | swish | none
  bool operator==(const CausalConvAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("activation", &CausalConvAttrs::activation)}; }
};

Status infer(InferContext& c) {
  const std::string& activation = c.attrs<CausalConvAttrs>().activation;
  if (activation != "none" && activation != "silu" && activation != "swish") {
    return fail(ErrorCode::invalid_model, "attribute activation must be 'silu', 'swish' or 'none', here it is '{}'", activation);
  }
  const Shape *x = c.shape(0), *w = c.shape(1), *bias = c.shape(2), *past = c.shape(3);
  std::optional<Shape> y, state;
  if (x != nullptr && x->size() != 3) return fail(ErrorCode::invalid_model, "the input has {} axes; 3 are expected", x->size());
  if (w != nullptr && (w->size() != 3 || ((*w)[1].known() && (*w)[1].value() != 1))) {
    return fail(ErrorCode::invalid_model, "the weight is {}; [C,1,K] is expected", to_string(Fact::tensor(c.type(1), *w)));
  }
  if (w != nullptr && (*w)[2] == Dim(0)) return fail(ErrorCode::invalid_model, "the kernel is empty");
  if (x != nullptr) y = *x;
  if (x != nullptr && w != nullptr) {
    TRY(same_extent((*x)[1], (*w)[0], 1));
    if (bias != nullptr && bias->size() != 1) return fail(ErrorCode::invalid_model, "the bias must have one axis");
    if (bias != nullptr) TRY(same_extent((*x)[1], (*bias)[0], 0));
    state = Shape{(*x)[0], (*x)[1], (*w)[2] - 1};
    if (past != nullptr && past->size() != 3) return fail(ErrorCode::invalid_model, "the past state must have 3 axes");
    for (size_t axis = 0; past != nullptr && axis < 3; ++axis) TRY(same_extent((*state)[axis], (*past)[axis], axis));
  }
  c.set(0, c.type(0), std::move(y));
  c.set(1, c.type(0), std::move(state));
  return {};
}

Status run(RefContext& c) {
  TRY(actual_facts(c));
  const Dims d = c.in(0).dims();
  const int64_t kernel = c.in(1).dims()[2], length = d[2], channels = d[1], tail = kernel - 1, padded = tail + length;
  const std::vector<double> x = c.doubles(0), w = c.doubles(1);
  const std::vector<double> bias = c.has(2) ? c.doubles(2) : std::vector<double>();
  const std::vector<double> past = c.has(3) ? c.doubles(3) : std::vector<double>(static_cast<size_t>(d[0] * channels * tail));
  const bool silu = c.attrs<CausalConvAttrs>().activation != "none";
  std::vector<double> y(x.size()), state(past.size()), line(static_cast<size_t>(padded));
  for (int64_t row = 0; row < d[0] * channels; ++row) {
    std::copy_n(past.begin() + row * tail, tail, line.begin());
    std::copy_n(x.begin() + row * length, length, line.begin() + tail);
    const double* taps = w.data() + row % channels * kernel;
    for (int64_t i = 0; i < length; ++i) {
      double sum = bias.empty() ? 0 : bias[static_cast<size_t>(row % channels)];
      for (int64_t k = 0; k < kernel; ++k) sum += taps[k] * line[static_cast<size_t>(i + k)];
      y[static_cast<size_t>(row * length + i)] = silu ? sum / (1 + std::exp(-sum)) : sum;
    }
    std::copy_n(line.begin() + length, tail, state.begin() + row * tail);
  }
  c.set_doubles(0, c.in(0).type(), d, y);
  c.set_doubles(1, c.in(0).type(), {d[0], channels, tail}, state);
  return {};
}

std::vector<Sample> samples() {
  using A = CausalConvAttrs;
  using sample::noise;
  const auto weight = [](const Dims& dims) { return sample::constant(noise(dims, 2)); };
  return {{"plain", A{}, {{noise({2, 3, 7})}, weight({3, 1, 4})}, 2},
          {"bias_past_silu", A{"silu"}, {{noise({1, 5, 9})}, weight({5, 1, 3}), {noise({5}, 3)}, {noise({1, 5, 2}, 4)}}, 2},
          {"one_step", A{"swish"}, {{noise({2, 4, 1})}, weight({4, 1, 4}), sample::absent(), {noise({2, 4, 3}, 4)}}, 2},
          {"point", A{}, {{noise({1, 2, 5})}, weight({2, 1, 1})}, 2}};
}

}  // namespace

OpFamily causal_conv() {
  constexpr TypeSet kTypes = types(E::f32, E::f16, E::bf16);
  return {Op("CausalConvWithState", {27})
              .attrs<CausalConvAttrs>()
              .in("input", kTypes)
              .in("weight", kTypes)
              .opt("bias", kTypes)
              .opt("past_state", kTypes)
              .out("output")
              .out("present_state")
              .infer(infer)
              .reference(run)
              .samples(samples)
              .tolerance(Tolerance::rounding)
              .doc("A depthwise convolution along time over the past alone, its tail carried from call to call.")};
}

}  // namespace slipway::ops

// What ONNX Runtime's optimiser writes into diffusion models (com.microsoft): normalisations and convolutions with the channels
// last.
#include "ops/channels_last.hpp"
#include "ops/conv.hpp"
#include "ops/gelu.hpp"
#include "ops/group_normalization.hpp"
#include "ops/sample.hpp"
#include "ops/split.hpp"

namespace slipway::ops {
namespace {

struct GroupNormAttrs {
  float epsilon = 1e-5f;
  int64_t groups = 1;
  int64_t activation = 0;  ///< 1: x * sigmoid(x)
  bool channels_last = true;
  bool operator==(const GroupNormAttrs&) const = default;
  static constexpr auto fields() {
    using A = GroupNormAttrs;
    return std::tuple{field("epsilon", &A::epsilon), field("groups", &A::groups, true), field("activation", &A::activation, true),
                      field("channels_last", &A::channels_last)};
  }
};

/// The group normalisation of x by inputs 1 and 2, gamma and beta.
ir::ValueId normalised(FunctionBody& b, ir::ValueId x) {
  const GroupNormAttrs& at = b.attrs<GroupNormAttrs>();
  if (at.activation != 0 && at.activation != 1) {
    b.fail(fail(ErrorCode::invalid_model, "activation is {}; 0 or 1 is expected", at.activation));
    return ir::kNone;
  }
  const GroupNormalizationAttrs norm{.epsilon = at.epsilon, .num_groups = at.groups};
  const ElementType type = b.type(x);
  if (at.channels_last) x = moved_channels(b, x, true);
  ir::ValueId y = b.node("GroupNormalization", norm, {x, b.cast(b.in(1), type), b.cast(b.in(2), type)});
  if (at.channels_last) y = moved_channels(b, y, false);
  return at.activation == 1 ? b.node("Mul", {y, b.node("Sigmoid", {y})}) : y;
}

void group_norm_body(FunctionBody& b) {
  b.set(0, normalised(b, b.in(0)));
}

/// Inputs: X, gamma, beta, skip [N,H,W,C], [N,1,1,C] or [N,C], bias [C].
void skip_group_norm_body(FunctionBody& b) {
  const bool last = b.attrs<GroupNormAttrs>().channels_last;
  const auto across = [&](ir::ValueId v, std::initializer_list<int64_t> axes) { return b.node("Unsqueeze", {v, b.ints(axes)}); };
  ir::ValueId skip = b.in(3);
  if (b.rank(skip) == 2) skip = last ? across(skip, {1, 2}) : across(skip, {2, 3});
  ir::ValueId sum = b.node("Add", {b.in(0), skip});
  if (b.has(4)) sum = b.node("Add", {sum, last ? b.in(4) : across(b.in(4), {1, 2})});
  b.set(0, normalised(b, sum));
  b.set(1, sum);
}

void bias_add_body(FunctionBody& b) {
  b.set(0, b.node("Add", {b.node("Add", {b.in(0), b.in(1)}), b.in(2)}));
}

void bias_split_gelu_body(FunctionBody& b) {
  const ir::ValueId x = b.node("Add", {b.in(0), b.in(1)});
  const std::vector<ir::ValueId> halves = b.nodes("Split", SplitAttrs{.axis = -1, .num_outputs = 2}, {x}, 2);
  b.set(0, b.node("Mul", {halves[0], b.node("Gelu", GeluAttrs{}, {halves[1]})}));
}

/// Weights are [M, kernel..., C / group].
void nhwc_conv_body(FunctionBody& b) {
  const ir::ValueId x = moved_channels(b, b.in(0), true), w = moved_channels(b, b.in(1), true);
  b.set(0, moved_channels(b, b.node("Conv", b.attrs<ConvAttrs>(), {x, w, b.in(2)}), false));
}

SampleInput f32(const Dims& dims, uint64_t seed) {
  return {sample::random(dims, -1, 1, seed)};
}

std::vector<Sample> group_norm_samples() {
  const GroupNormAttrs last{.groups = 2}, active{.groups = 3, .activation = 1, .channels_last = false};
  return {{"channels_last", last, {f32({2, 3, 5, 4}, 1), f32({4}, 2), f32({4}, 3)}, 1},
          {"silu", active, {f32({2, 6, 3, 2}, 1), f32({6}, 2), f32({6}, 3)}, 1}};
}

std::vector<Sample> skip_group_norm_samples() {
  const GroupNormAttrs last{.groups = 2, .activation = 1}, second{.groups = 2, .channels_last = false};
  const SampleInput x = f32({2, 3, 5, 4}, 1), gamma = f32({4}, 2), beta = f32({4}, 3), y = f32({2, 4, 3, 5}, 1);
  return {{"plain", last, {x, gamma, beta, f32({2, 3, 5, 4}, 4)}, 2},
          {"narrow_skip", last, {x, gamma, beta, f32({2, 4}, 4), f32({4}, 5)}, 1},
          {"channels_second", second, {y, gamma, beta, f32({2, 4}, 4), f32({4}, 5)}, 2}};
}

std::vector<Sample> bias_add_samples() {
  return {{"plain", {}, {f32({2, 3, 7}, 1), f32({7}, 2), f32({2, 3, 7}, 3)}, 1}};
}
std::vector<Sample> bias_split_gelu_samples() {
  return {{"plain", {}, {f32({2, 3, 8}, 1), f32({8}, 2)}, 1}};
}
std::vector<Sample> nhwc_conv_samples() {
  return {{"plain", ConvAttrs{.pads = {1, 1, 1, 1}}, {f32({1, 5, 7, 3}, 1), f32({4, 3, 3, 3}, 2), f32({4}, 3)}, 1},
          {"groups", ConvAttrs{.strides = {2, 2}, .group = 2}, {f32({2, 5, 7, 4}, 1), f32({6, 1, 3, 2}, 2)}, 1}};
}

Op microsoft(std::string_view op) {
  return Op(op, {1}, "com.microsoft");
}

}  // namespace

OpFamily diffusion() {
  OpFamily family;
  const auto add = [&](Op&& op) { family.push_back(std::move(op)); };
  add(function<group_norm_body, GroupNormAttrs>(
          microsoft("GroupNorm").in("X", kFloat).in("gamma", kFloat, 'M').in("beta", kFloat, 'M').out("Y"))
          .samples(group_norm_samples)
          .doc("GroupNormalization with the channels last or not, and x * sigmoid(x) behind it when asked."));
  add(function<skip_group_norm_body, GroupNormAttrs>(microsoft("SkipGroupNorm")
                                                         .in("X", kFloat)
                                                         .in("gamma", kFloat, 'M')
                                                         .in("beta", kFloat, 'M')
                                                         .in("skip", kFloat)
                                                         .opt("bias", kFloat)
                                                         .out("Y")
                                                         .opt_out("S"))
          .samples(skip_group_norm_samples)
          .doc("GroupNorm of X + skip + bias."));
  add(function<bias_add_body>(microsoft("BiasAdd").in("X", kFloat).in("bias", kFloat).in("skip", kFloat).out("Y"))
          .samples(bias_add_samples)
          .doc("X + bias + skip."));
  add(function<bias_split_gelu_body>(microsoft("BiasSplitGelu").in("X", kFloat).in("bias", kFloat).out("Y"))
          .samples(bias_split_gelu_samples)
          .doc("The left half of X + bias times the Gelu of the right half."));
  add(function<nhwc_conv_body, ConvAttrs>(microsoft("NhwcConv").in("X", kFloat).in("W", kFloat).opt("B", kFloat).out("Y"))
          .samples(nhwc_conv_samples)
          .doc("Conv with the channels of input, weights and output last."));
  return family;
}

}  // namespace slipway::ops

// What ONNX Runtime's optimiser writes into models (com.microsoft): products and convolutions with their surroundings fused.
#include "ops/activation.hpp"
#include "ops/channels_last.hpp"
#include "ops/conv.hpp"
#include "ops/function.hpp"
#include "ops/gelu.hpp"
#include "ops/gemm.hpp"
#include "ops/sample.hpp"
#include "ops/transpose.hpp"

namespace slipway::ops {
namespace {

struct FusedMatMulAttrs {
  float alpha = 1;
  bool transA = false, transB = false;            ///< the last two axes trade places
  bool transBatchA = false, transBatchB = false;  ///< before that, axis 0 moves behind the batch axes
  bool operator==(const FusedMatMulAttrs&) const = default;
  static constexpr auto fields() {
    using A = FusedMatMulAttrs;
    return std::tuple{field("alpha", &A::alpha), field("transA", &A::transA), field("transB", &A::transB),
                      field("transBatchA", &A::transBatchA), field("transBatchB", &A::transBatchB)};
  }
};

struct FusedGemmAttrs {
  float alpha = 1, beta = 1;
  bool transA = false, transB = false;
  std::string activation;
  float activation_alpha = 0, activation_beta = 0, activation_gamma = 0;
  bool operator==(const FusedGemmAttrs&) const = default;
  static constexpr auto fields() {
    using A = FusedGemmAttrs;
    return std::tuple{field("alpha", &A::alpha),
                      field("beta", &A::beta),
                      field("transA", &A::transA),
                      field("transB", &A::transB),
                      field("activation", &A::activation),
                      field("activation_alpha", &A::activation_alpha),
                      field("activation_beta", &A::activation_beta),
                      field("activation_gamma", &A::activation_gamma)};
  }
};

struct FusedConvAttrs {
  std::string auto_pad = "NOTSET";
  std::vector<int64_t> kernel_shape, strides, dilations, pads;
  int64_t group = 1;
  std::string activation;
  std::vector<float> activation_params;
  bool operator==(const FusedConvAttrs&) const = default;
  static constexpr auto fields() {
    using A = FusedConvAttrs;
    return std::tuple{field("auto_pad", &A::auto_pad),
                      field("kernel_shape", &A::kernel_shape),
                      field("strides", &A::strides),
                      field("dilations", &A::dilations),
                      field("pads", &A::pads),
                      field("group", &A::group),
                      field("activation", &A::activation),
                      field("activation_params", &A::activation_params)};
  }
};

/// The activation that an attribute names; its numbers in the order of the operator's attributes or inputs.
ir::ValueId activation(FunctionBody& b, const std::string& name, std::span<const float> numbers, ir::ValueId x) {
  const auto number = [&](size_t i, float otherwise) { return i < numbers.size() ? numbers[i] : otherwise; };
  if (name.empty()) return x;
  if (name == "Relu" || name == "Sigmoid" || name == "Tanh" || name == "HardSwish" || name == "Softplus" || name == "Softsign") {
    return b.node(name, {x});
  }
  if (name == "LeakyRelu") return b.node(name, LeakyReluAttrs{.alpha = number(0, 0.01f)}, {x});
  if (name == "Elu") return b.node(name, EluAttrs{.alpha = number(0, 1)}, {x});
  if (name == "HardSigmoid") return b.node(name, HardSigmoidAttrs{.alpha = number(0, 0.2f), .beta = number(1, 0.5f)}, {x});
  if (name == "Selu") {  // alpha and gamma: FusedGemm has beta between them
    const SeluAttrs given;
    return b.node(name, SeluAttrs{.alpha = number(0, given.alpha), .gamma = number(numbers.size() == 3 ? 2 : 1, given.gamma)},
                  {x});
  }
  if (name == "ThresholdedRelu") return b.node(name, ThresholdedReluAttrs{.alpha = number(0, 1)}, {x});
  if (name == "ScaledTanh" || name == "ParametricSoftplus") {
    const auto scaled = [&](ir::ValueId v, size_t i) { return b.node("Mul", {v, b.number(b.type(x), number(i, 1))}); };
    return scaled(b.node(name == "ScaledTanh" ? "Tanh" : "Softplus", {scaled(x, 1)}), 0);
  }
  if (name == "Gelu") return b.node(name, GeluAttrs{}, {x});
  if (name == "Clip" && numbers.size() >= 2) {
    const double low = numbers[0], high = numbers[1];
    return b.node(name, {x, b.number(b.type(x), low), b.number(b.type(x), high)});
  }
  b.fail(fail(ErrorCode::invalid_model, "the fused activation '{}' with {} numbers is not known", name, numbers.size()));
  return ir::kNone;
}

/// A side of the product with its axes as MatMul wants them.
ir::ValueId arranged(FunctionBody& b, ir::ValueId v, bool batch, bool swap) {
  if (!batch && !swap) return v;
  const auto rank = static_cast<int64_t>(b.rank(v));
  if (rank < 2) return v;
  std::vector<int64_t> perm;
  for (int64_t i = 0; i < rank; ++i) perm.push_back(i);
  if (batch) {
    for (int64_t i = 0; i + 2 < rank; ++i) std::swap(perm[static_cast<size_t>(i)], perm[static_cast<size_t>(i) + 1]);
  }
  if (swap) std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return b.node("Transpose", TransposeAttrs{.perm = std::move(perm)}, {v});
}

void matmul_body(FunctionBody& b) {
  const FusedMatMulAttrs& at = b.attrs<FusedMatMulAttrs>();
  const ir::ValueId left = arranged(b, b.in(0), at.transBatchA, at.transA);
  const ir::ValueId right = arranged(b, b.in(1), at.transBatchB, at.transB);
  ir::ValueId y = b.node("MatMul", {left, right});
  if (at.alpha != 1.0f) y = b.node("Mul", {y, b.number(b.type(y), at.alpha)});
  b.set(0, y);
}

void gemm_body(FunctionBody& b) {
  const FusedGemmAttrs& at = b.attrs<FusedGemmAttrs>();
  const GemmAttrs gemm{.alpha = at.alpha, .beta = at.beta, .transA = at.transA, .transB = at.transB};
  const ir::ValueId y = b.node("Gemm", gemm, {b.in(0), b.in(1), b.in(2)});
  const float numbers[] = {at.activation_alpha, at.activation_beta, at.activation_gamma};
  b.set(0, activation(b, at.activation, numbers, y));
}

/// X, W as Conv has it, B, and Z, which is added before the activation.
template <bool kChannelsLast>
void conv_body(FunctionBody& b) {
  const FusedConvAttrs& at = b.attrs<FusedConvAttrs>();
  const ConvAttrs conv{.auto_pad = at.auto_pad,
                       .kernel_shape = at.kernel_shape,
                       .strides = at.strides,
                       .dilations = at.dilations,
                       .pads = at.pads,
                       .group = at.group};
  const ir::ValueId x = kChannelsLast ? moved_channels(b, b.in(0), true) : b.in(0);
  ir::ValueId y = b.node("Conv", conv, {x, b.in(1), b.in(2)});
  if (kChannelsLast) y = moved_channels(b, y, false);
  if (b.has(3)) y = b.node("Add", {y, b.in(3)});
  b.set(0, activation(b, at.activation, at.activation_params, y));
}

std::vector<Sample> matmul_samples() {
  const auto f32 = [](const Dims& dims, uint64_t seed) { return SampleInput{sample::random(dims, -2, 2, seed)}; };
  return {{"plain", FusedMatMulAttrs{}, {f32({3, 17}, 1), f32({17, 5}, 2)}, 1},
          {"scaled", FusedMatMulAttrs{.alpha = 0.125f}, {f32({2, 4, 7}, 1), f32({2, 7, 3}, 2)}, 1},
          {"transposed", FusedMatMulAttrs{.transA = true, .transB = true}, {f32({2, 7, 4}, 1), f32({3, 7}, 2)}, 1},
          {"batch_a", FusedMatMulAttrs{.transBatchA = true}, {f32({4, 2, 7}, 1), f32({2, 7, 3}, 2)}, 1},
          {"batch_both",
           FusedMatMulAttrs{.transA = true, .transBatchA = true, .transBatchB = true},
           {f32({7, 2, 3, 4}, 1), f32({7, 2, 3, 5}, 2)},
           1}};
}

std::vector<Sample> gemm_samples() {
  const auto f32 = [](const Dims& dims, uint64_t seed) { return SampleInput{sample::random(dims, -2, 2, seed)}; };
  return {{"relu", FusedGemmAttrs{.activation = "Relu"}, {f32({3, 17}, 1), f32({17, 5}, 2), f32({5}, 3)}, 1},
          {"leaky",
           FusedGemmAttrs{.alpha = 0.5f, .transB = true, .activation = "LeakyRelu", .activation_alpha = 0.1f},
           {f32({3, 17}, 1), f32({5, 17}, 2), f32({3, 1}, 3)},
           1},
          {"no_bias", FusedGemmAttrs{.activation = "Tanh"}, {f32({1, 7}, 1), f32({7, 33}, 2)}, 1}};
}

std::vector<Sample> conv_samples() {
  const auto f32 = [](const Dims& dims, uint64_t seed) { return SampleInput{sample::random(dims, -1, 1, seed)}; };
  return {{"relu",
           FusedConvAttrs{.pads = {1, 1, 1, 1}, .activation = "Relu"},
           {f32({1, 3, 7, 7}, 1), f32({4, 3, 3, 3}, 2), f32({4}, 3)},
           1},
          {"sum",
           FusedConvAttrs{.activation = "Relu"},
           {f32({2, 4, 5, 5}, 1), f32({6, 4, 1, 1}, 2), f32({6}, 3), f32({2, 6, 5, 5}, 4)},
           1},
          {"clip",
           FusedConvAttrs{.group = 4, .activation = "Clip", .activation_params = {0, 0.5f}},
           {f32({1, 4, 9, 9}, 1), f32({4, 1, 3, 3}, 2)},
           1},
          {"hard_sigmoid",
           FusedConvAttrs{.strides = {2}, .activation = "HardSigmoid", .activation_params = {0.2f, 0.5f}},
           {f32({1, 2, 17}, 1), f32({3, 2, 3}, 2), f32({3}, 3)},
           1}};
}

std::vector<Sample> nhwc_conv_samples() {
  const auto f32 = [](const Dims& dims, uint64_t seed) { return SampleInput{sample::random(dims, -1, 1, seed)}; };
  return {{"sum",
           FusedConvAttrs{.pads = {1, 1, 1, 1}, .activation = "Relu"},
           {f32({2, 5, 7, 3}, 1), f32({4, 3, 3, 3}, 2), f32({4}, 3), f32({2, 5, 7, 4}, 4)},
           1}};
}

Op microsoft(std::string_view op) {
  return Op(op, {1}, "com.microsoft");
}

}  // namespace

OpFamily fused() {
  OpFamily family;
  for (std::string_view name : {"FusedMatMul", "TransposeMatMul"}) {
    family.push_back(function<matmul_body, FusedMatMulAttrs>(microsoft(name).in("A", kFloat).in("B", kFloat).out("Y"))
                         .samples(matmul_samples)
                         .doc("alpha * op(A) * op(B), each side transposed as asked."));
  }
  family.push_back(
      function<gemm_body, FusedGemmAttrs>(microsoft("FusedGemm").in("A", kFloat).in("B", kFloat).opt("C", kFloat).out("Y"))
          .samples(gemm_samples)
          .doc("Gemm and an activation."));
  family.push_back(function<conv_body<false>, FusedConvAttrs>(
                       microsoft("FusedConv").in("X", kFloat).in("W", kFloat).opt("B", kFloat).opt("Z", kFloat).out("Y"))
                       .samples(conv_samples)
                       .doc("Conv, Z added, and an activation."));
  family.push_back(function<conv_body<true>, FusedConvAttrs>(
                       microsoft("NhwcFusedConv").in("X", kFloat).in("W", kFloat).opt("B", kFloat).opt("Z", kFloat).out("Y"))
                       .samples(nhwc_conv_samples)
                       .doc("FusedConv with the channels of X, Z and Y last."));
  return family;
}

}  // namespace slipway::ops

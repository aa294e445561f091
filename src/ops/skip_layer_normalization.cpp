// Layer normalisation as ONNX Runtime's transformer optimiser writes it: with the residual sum, or with the embedding in front.
#include "ops/function.hpp"
#include "ops/gather.hpp"
#include "ops/layer_normalization.hpp"
#include "ops/quantize.hpp"
#include "ops/reduce.hpp"
#include "ops/sample.hpp"
#include "ops/shape.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kByte = types(E::u8, E::i8);

struct SkipAttrs {
  float epsilon = 1e-12f;
  bool operator==(const SkipAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("epsilon", &SkipAttrs::epsilon)}; }
};

struct SkipSimplifiedAttrs {
  float epsilon = 1e-5f;
  bool operator==(const SkipSimplifiedAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("epsilon", &SkipSimplifiedAttrs::epsilon)}; }
};

struct EmbedAttrs {
  float epsilon = 1e-12f;
  int64_t mask_index_type = 0;
  bool operator==(const EmbedAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("epsilon", &EmbedAttrs::epsilon), field("mask_index_type", &EmbedAttrs::mask_index_type)};
  }
};

/// 1 / sqrt(mean of squares over the axes from `axis` on + epsilon) in float32. The axis has been checked.
ir::ValueId inverse_rms(FunctionBody& b, ir::ValueId x, int64_t axis, float epsilon) {
  const auto rank = static_cast<int64_t>(b.rank(x));
  if (b.error()) return ir::kNone;
  std::vector<int64_t> axes;
  for (int64_t i = axis < 0 ? axis + rank : axis; i < rank; ++i) axes.push_back(i);
  const ir::ValueId wide = b.cast(x, ElementType::f32);
  const ir::ValueId square = b.node("Mul", {wide, wide});
  const ir::ValueId mean = b.node("ReduceMean", ReduceAttrs{}, {square, b.ints(axes)});
  const ir::ValueId root = b.node("Sqrt", {b.node("Add", {mean, b.number(ElementType::f32, epsilon)})});
  return b.node("Reciprocal", {root});
}

void simplified_body(FunctionBody& b) {
  const RmsNormalizationAttrs& at = b.attrs<RmsNormalizationAttrs>();
  b.set(0, b.node("RMSNormalization", at, {b.in(0), b.in(1)}));
  if (b.output_count() > 1) b.set(1, inverse_rms(b, b.in(0), at.axis, at.epsilon));
}

/// input + skip (+ bias), the last output of both skip operators.
ir::ValueId residual(FunctionBody& b, size_t bias) {
  const ir::ValueId sum = b.node("Add", {b.in(0), b.in(1)});
  return b.has(bias) ? b.node("Add", {sum, b.in(bias)}) : sum;
}

void skip_body(FunctionBody& b) {
  const ir::ValueId sum = residual(b, 4);
  const LayerNormalizationAttrs at{.epsilon = b.attrs<SkipAttrs>().epsilon};
  const size_t outputs = std::min<size_t>(b.output_count(), 3);
  const std::vector<ir::ValueId> y = b.nodes("LayerNormalization", at, {sum, b.in(2), b.in(3)}, outputs);
  for (size_t i = 0; i < y.size(); ++i) b.set(i, y[i]);
  b.set(3, sum);
}

void skip_simplified_body(FunctionBody& b) {
  const ir::ValueId sum = residual(b, 3);
  const float epsilon = b.attrs<SkipSimplifiedAttrs>().epsilon;
  b.set(0, b.node("RMSNormalization", RmsNormalizationAttrs{.epsilon = epsilon}, {sum, b.in(2)}));
  if (b.output_count() > 1) {
    const ir::ValueId scale = inverse_rms(b, sum, -1, epsilon);
    b.set(1, b.node("Sub", {scale, scale}));  // a mean has no place here: zero
    b.set(2, scale);
  }
  b.set(3, sum);
}

/// Inputs: ids, segment ids, word, position and segment tables, gamma, beta, mask, position ids.
void embed_body(FunctionBody& b) {
  const ir::ValueId ids = b.in(0);
  ir::ValueId places = b.in(8);
  if (!b.has(8)) {
    const ir::ValueId length = b.node("Squeeze", {b.node("Shape", ShapeAttrs{.start = 1, .end = 2}, {ids})});
    places = b.node("Range", {b.number(ElementType::i64, 0), length, b.number(ElementType::i64, 1)});
  }
  const ir::ValueId word = b.node("Gather", GatherAttrs{}, {b.in(2), ids});
  const ir::ValueId position = b.node("Gather", GatherAttrs{}, {b.in(3), places});
  ir::ValueId sum = b.node("Add", {word, position});
  if (b.has(1) && b.has(4)) sum = b.node("Add", {sum, b.node("Gather", GatherAttrs{}, {b.in(4), b.in(1)})});
  const LayerNormalizationAttrs at{.epsilon = b.attrs<EmbedAttrs>().epsilon};
  b.set(0, b.node("LayerNormalization", at, {sum, b.in(5), b.in(6)}));
  if (b.output_count() > 1) {
    const ir::ValueId one = b.number(ElementType::i32, 1);
    const ir::ValueId marked = b.node("Equal", {b.has(7) ? b.in(7) : b.node("Sub", {ids, ids}), one});
    const ir::ValueId counted = b.cast(marked, ElementType::i32);
    b.set(1, b.node("ReduceSum", ReduceAttrs{.keepdims = false}, {counted, b.ints({1})}));
  }
  b.set(2, sum);
}

/// Inputs: ids, segment ids, the tables, gamma and beta of EmbedLayerNormalization as bytes, mask, then the five scales and zero
/// points.
void quantised_embed_body(FunctionBody& b) {
  std::vector<ir::ValueId> inputs{b.in(0), b.in(1)};
  for (size_t i = 2; i < 7; ++i) {
    const bool given = b.has(i);
    inputs.push_back(given ? b.node("DequantizeLinear", DequantizeAttrs{}, {b.in(i), b.in(i + 6), b.in(i + 11)}) : ir::kNone);
  }
  inputs.push_back(b.in(7));
  const EmbedAttrs at{.epsilon = b.attrs<SkipAttrs>().epsilon};
  const std::vector<ir::ValueId> y = b.nodes("EmbedLayerNormalization", at, std::move(inputs), b.output_count(), "com.microsoft");
  for (size_t i = 0; i < y.size(); ++i) b.set(i, y[i]);
}

SampleInput f32(const Dims& dims, uint64_t seed) {
  return {sample::random(dims, -1, 1, seed)};
}

std::vector<Sample> simplified_samples() {
  return {{"last", RmsNormalizationAttrs{}, {f32({2, 3, 17}, 1), f32({17}, 2)}, 1},
          {"two_axes", RmsNormalizationAttrs{.axis = 1}, {f32({2, 3, 5}, 1), f32({3, 5}, 2)}, 1},
          {"with_scale", RmsNormalizationAttrs{}, {f32({2, 7}, 1), f32({7}, 2)}, 2}};
}

std::vector<Sample> skip_samples() {
  return {{"no_beta", SkipAttrs{}, {f32({2, 3, 17}, 1), f32({2, 3, 17}, 2), f32({17}, 3)}, 1},
          {"bias", SkipAttrs{}, {f32({2, 3, 17}, 1), f32({2, 3, 17}, 2), f32({17}, 3), f32({17}, 4), f32({17}, 5)}, 1},
          {"shared_skip", SkipAttrs{}, {f32({2, 3, 17}, 1), f32({1, 3, 17}, 2), f32({17}, 3), f32({17}, 4)}, 1},
          {"all_outputs", SkipAttrs{}, {f32({2, 3, 8}, 1), f32({2, 3, 8}, 2), f32({8}, 3), f32({8}, 4)}, 4}};
}

std::vector<Sample> skip_simplified_samples() {
  return {{"plain", SkipSimplifiedAttrs{}, {f32({2, 3, 17}, 1), f32({2, 3, 17}, 2), f32({17}, 3)}, 1},
          {"bias", SkipSimplifiedAttrs{}, {f32({2, 3, 17}, 1), f32({2, 3, 17}, 2), f32({17}, 3), f32({17}, 4)}, 1},
          {"all_outputs", SkipSimplifiedAttrs{}, {f32({2, 3, 8}, 1), f32({2, 3, 8}, 2), f32({8}, 3)}, 4}};
}

std::vector<Sample> embed_samples() {
  const auto ids = [](int64_t below, uint64_t seed) {
    return SampleInput{sample::random(E::i32, {2, 5}, 0, static_cast<double>(below), seed)};
  };
  std::vector<SampleInput> all{ids(9, 1),      ids(2, 2),   f32({9, 6}, 3), f32({7, 6}, 4),
                               f32({2, 6}, 5), f32({6}, 6), f32({6}, 7),    ids(2, 8)};
  std::vector<SampleInput> bare = all;
  bare[1] = bare[4] = sample::absent();
  bare.pop_back();
  std::vector<SampleInput> placed = all;
  placed.push_back({ids(7, 9)});
  return {{"all", EmbedAttrs{}, all, 3}, {"no_segments", EmbedAttrs{}, bare, 2}, {"positions_given", EmbedAttrs{}, placed, 1}};
}

std::vector<Sample> quantised_embed_samples() {
  const auto table = [](const Dims& dims, uint64_t seed) { return SampleInput{sample::random(E::u8, dims, 0, 256, seed)}; };
  const auto ids = [](int64_t below, uint64_t seed) {
    return SampleInput{sample::random(E::i32, {2, 5}, 0, static_cast<double>(below), seed)};
  };
  std::vector<SampleInput> inputs{ids(9, 1),        ids(2, 2),     table({9, 6}, 3), table({7, 6}, 4),
                                  table({2, 6}, 5), table({6}, 6), table({6}, 7),    ids(2, 8)};
  for (int i = 0; i < 5; ++i) inputs.push_back(sample::constant(sample::floats({}, {0.01})));
  for (int i = 0; i < 5; ++i) inputs.push_back(sample::constant(sample::numbers(E::u8, {}, {120})));
  return {{"all", SkipAttrs{}, inputs, 2}};
}

}  // namespace

OpFamily skip_layer_normalization() {
  constexpr std::string_view kMicrosoft = "com.microsoft";
  OpFamily family;
  const auto add = [&](Op&& op) { family.push_back(std::move(op)); };
  for (std::string_view domain : {std::string_view(), kMicrosoft}) {
    add(function<simplified_body, RmsNormalizationAttrs>(Op("SimplifiedLayerNormalization", {1}, domain)
                                                             .in("X", kFloat)
                                                             .in("scale", kFloat, 0)
                                                             .out("Y")
                                                             .opt_out("inv_std_var", types(E::f32, E::f64), 0))
            .samples(simplified_samples)
            .doc("RMSNormalization under the name that ONNX Runtime had for it."));
  }
  add(function<skip_body, SkipAttrs>(Op("SkipLayerNormalization", {1}, kMicrosoft)
                                         .in("input", kFloat)
                                         .in("skip", kFloat)
                                         .in("gamma", kFloat)
                                         .opt("beta", kFloat)
                                         .opt("bias", kFloat)
                                         .out("output")
                                         .opt_out("mean", types(E::f32), 0)
                                         .opt_out("inv_std_var", types(E::f32), 0)
                                         .opt_out("input_skip_bias_sum"))
          .samples(skip_samples)
          .doc("LayerNormalization of input + skip + bias."));
  add(function<skip_simplified_body, SkipSimplifiedAttrs>(Op("SkipSimplifiedLayerNormalization", {1}, kMicrosoft)
                                                              .in("input", kFloat)
                                                              .in("skip", kFloat)
                                                              .in("gamma", kFloat)
                                                              .opt("bias", kFloat)
                                                              .out("output")
                                                              .opt_out("mean", types(E::f32), 0)
                                                              .opt_out("inv_std_var", types(E::f32), 0)
                                                              .opt_out("input_skip_bias_sum"))
          .samples(skip_simplified_samples)
          .doc("RMSNormalization of input + skip + bias."));
  add(function<embed_body, EmbedAttrs>(Op("EmbedLayerNormalization", {1}, kMicrosoft)
                                           .in("input_ids", types(E::i32), 'I')
                                           .opt("segment_ids", types(E::i32), 'I')
                                           .opt("word_embedding", kFloat)
                                           .opt("position_embedding", kFloat)
                                           .opt("segment_embedding", kFloat)
                                           .opt("gamma", kFloat)
                                           .opt("beta", kFloat)
                                           .opt("mask", types(E::i32), 'I')
                                           .opt("position_ids", types(E::i32), 'I')
                                           .out("output")
                                           .opt_out("mask_index", types(E::i32), 0)
                                           .opt_out("embedding_sum"))
          .samples(embed_samples)
          .doc("LayerNormalization of word + position + segment embeddings."));
  Op quantised = Op("QEmbedLayerNormalization", {1}, kMicrosoft)
                     .in("input_ids", types(E::i32), 'I')
                     .opt("segment_ids", types(E::i32), 'I')
                     .in("word_embedding_quant", kByte, 'Q')
                     .in("position_embedding_quant", kByte, 'Q')
                     .opt("segment_embedding", kByte, 'Q')
                     .in("gamma_quant", kByte, 'Q')
                     .in("beta_quant", kByte, 'Q')
                     .opt("mask", types(E::i32), 'I')
                     .in("word_embedding_scale", types(E::f32))
                     .in("position_embedding_scale", types(E::f32))
                     .opt("segment_embedding_scale", types(E::f32))
                     .in("gamma_scale", types(E::f32))
                     .in("beta_scale", types(E::f32))
                     .in("word_embedding_zero_point", kByte, 'Q')
                     .in("position_embedding_zero_point", kByte, 'Q')
                     .opt("segment_embedding_zero_point", kByte, 'Q')
                     .in("gamma_zero_point", kByte, 'Q')
                     .in("beta_zero_point", kByte, 'Q')
                     .out("layernorm_out", types(E::f32), 'T')
                     .opt_out("mask_index_out", types(E::i32), 0);
  add(function<quantised_embed_body, SkipAttrs>(std::move(quantised))
          .samples(quantised_embed_samples)
          .doc("EmbedLayerNormalization of tables in bytes."));
  return family;
}

}  // namespace slipway::ops

// Attention, MultiHeadAttention and QAttention of com.microsoft: ai.onnx's Attention with the projections, masks and caches that
// ONNX Runtime's transformer optimiser writes.
#include "ops/attention.hpp"
#include "ops/concat.hpp"
#include "ops/function.hpp"
#include "ops/quantize.hpp"
#include "ops/reshape.hpp"
#include "ops/sample.hpp"
#include "ops/shape.hpp"
#include "ops/split.hpp"
#include "ops/transpose.hpp"

namespace slipway::ops {
namespace {

using ir::ValueId;

/// Inputs: input [B,S,D], weights [D,Q+K+V], bias, mask_index, past [2,B,N,P,H], attention_bias, past_sequence_length.
struct ProjectedAttentionAttrs {
  int64_t num_heads = 1;
  bool unidirectional = false;
  std::optional<float> scale;
  float mask_filter_value = -10000;
  std::vector<int64_t> qkv_hidden_sizes;  ///< empty: equal
  bool do_rotary = false, past_present_share_buffer = false;
  int64_t rotary_embedding_dim = 0;
  bool operator==(const ProjectedAttentionAttrs&) const = default;
  static constexpr auto fields() {
    using A = ProjectedAttentionAttrs;
    return std::tuple{field("num_heads", &A::num_heads, true),
                      field("unidirectional", &A::unidirectional),
                      field("scale", &A::scale),
                      field("mask_filter_value", &A::mask_filter_value),
                      field("qkv_hidden_sizes", &A::qkv_hidden_sizes),
                      field("do_rotary", &A::do_rotary),
                      field("past_present_share_buffer", &A::past_present_share_buffer),
                      field("rotary_embedding_dim", &A::rotary_embedding_dim)};
  }
};

/// Inputs: query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value, past_sequence_length,
/// cache_indirection.
struct MultiHeadAttentionAttrs {
  int64_t num_heads = 1;
  bool unidirectional = false;
  std::optional<float> scale;
  float mask_filter_value = -10000;
  bool operator==(const MultiHeadAttentionAttrs&) const = default;
  static constexpr auto fields() {
    using A = MultiHeadAttentionAttrs;
    return std::tuple{field("num_heads", &A::num_heads, true), field("unidirectional", &A::unidirectional),
                      field("scale", &A::scale), field("mask_filter_value", &A::mask_filter_value)};
  }
};

/// One extent of a value as a 1-D tensor.
ValueId extent(FunctionBody& b, ValueId v, int64_t axis) {
  return b.node("Shape", ShapeAttrs{.start = axis, .end = axis + 1}, {v});
}
ValueId unsqueezed(FunctionBody& b, ValueId v, std::initializer_list<int64_t> axes) {
  return b.node("Unsqueeze", {v, b.ints(axes)});
}
/// The positions 0, 1, ... below a 1-D tensor of one number.
ValueId places(FunctionBody& b, ValueId count) {
  return b.node("Range", {b.number(E::i64, 0), b.node("Squeeze", {count}), b.number(E::i64, 1)});
}

/// What a mask of whichever form adds to the scores [B, N, S, T]; kNone without one.
class MaskReader {
 public:
  /// `batch`, `length` and `total` are 1-D tensors: B, S, T.
  MaskReader(FunctionBody& b, ElementType type, float filter) : b_(b), type_(type), filter_(filter) {}

  ValueId read(ValueId mask, ValueId input, ValueId length, ValueId total) {
    if (mask == ir::kNone) return ir::kNone;
    const size_t rank = b_.rank(mask);
    if (b_.error()) return ir::kNone;
    switch (rank) {
      case 1:
        return added(spans(mask, input, total));
      case 2:
        return added(kept(unsqueezed(b_, mask, {1, 2})));
      case 3:
        return added(kept(unsqueezed(b_, mask, {1})));
      case 4: {  // [B, 1, most, most]: the last rows and first columns that are in use
        const ValueId rows = b_.node("Sub", {total, length});
        const ValueId cut = b_.node("Slice", {mask, rows, total, b_.ints({2})});
        return added(kept(b_.node("Slice", {cut, b_.ints({0}), total, b_.ints({3})})));
      }
      default:
        b_.fail(fail(ErrorCode::invalid_model, "the mask has {} axes", rank));
        return ir::kNone;
    }
  }

 private:
  /// Numbers [B]: where the keys of each row end; [2B]: then where they begin; [3B + 2]: then where each row begins among all
  /// queries and all keys, which says nothing more.
  ValueId spans(ValueId mask, ValueId input, ValueId total) {
    const Shape *m = b_.shape(mask), *x = b_.shape(input);
    bool rows_too = false;
    if (m != nullptr && x != nullptr && !x->empty() && (*m)[0].known() && (*x)[0].known()) {
      const Dim numbers = (*m)[0], rows = (*x)[0];
      rows_too = numbers == rows * Dim(3) + Dim(2);
      if (numbers != rows && numbers != rows * Dim(2) && !rows_too) {
        b_.fail(
            fail(ErrorCode::invalid_model, "a mask of {} numbers for a batch of {} is not read", numbers.value(), rows.value()));
        return ir::kNone;
      }
    }
    const ValueId batch = extent(b_, input, 0), twice = b_.node("Add", {batch, batch}), first = b_.ints({0});
    const ValueId zeros = b_.node("Expand", {b_.constant(Tensor(E::i32, {1})), batch});  // where no beginnings are given
    const ValueId ends = rows_too ? b_.node("Slice", {mask, first, batch, first}) : mask;
    const ValueId all = b_.node("Concat", ConcatAttrs{0}, {ends, zeros});
    const auto column = [&](ValueId from, ValueId to) {
      return unsqueezed(b_, b_.cast(b_.node("Slice", {all, from, to, first}), E::i64), {1, 2, 3});
    };
    const ValueId at = places(b_, total);
    return b_.node("And", {b_.node("Less", {at, column(first, batch)}), b_.node("GreaterOrEqual", {at, column(batch, twice)})});
  }
  ValueId kept(ValueId mask) { return b_.node("Greater", {mask, b_.number(E::i32, 0)}); }
  ValueId added(ValueId keep) { return b_.node("Where", {keep, b_.number(type_, 0), b_.number(type_, filter_)}); }

  FunctionBody& b_;
  ElementType type_;
  float filter_;
};

ValueId sum_of(FunctionBody& b, ValueId x, ValueId y) {
  if (x == ir::kNone || y == ir::kNone) return x == ir::kNone ? y : x;
  return b.node("Add", {x, y});
}

/// Attention over the projected [B, S, Q+K+V]; mask and past are inputs of the operator.
void attend(FunctionBody& b, const ProjectedAttentionAttrs& a, ValueId projected, size_t mask, size_t past, ValueId more_bias) {
  if (a.num_heads < 1) return b.fail(fail(ErrorCode::invalid_model, "num_heads is {}", a.num_heads));
  if (a.do_rotary || a.past_present_share_buffer)
    return b.fail(
        Error(ErrorCode::invalid_model, "do_rotary and past_present_share_buffer are not supported: export without them"));
  const ElementType type = b.type(projected);
  if (type == ElementType::undefined) return b.fail(Error(ErrorCode::unsupported, "the type of the input must be known"));
  std::vector<ValueId> parts;
  if (a.qkv_hidden_sizes.size() == 3) {
    parts = b.nodes("Split", SplitAttrs{.axis = 2}, {projected, b.ints(a.qkv_hidden_sizes)}, 3);
  } else {
    parts = b.nodes("Split", SplitAttrs{.axis = 2, .num_outputs = 3}, {projected}, 3);
  }
  const ValueId length = extent(b, projected, 1);
  ValueId total = length, past_key = ir::kNone, past_value = ir::kNone;
  if (b.has(past)) {
    const std::vector<ValueId> both = b.nodes("Split", SplitAttrs{.axis = 0, .num_outputs = 2}, {b.in(past)}, 2);
    past_key = b.node("Squeeze", {both[0], b.ints({0})});
    past_value = b.node("Squeeze", {both[1], b.ints({0})});
    total = b.node("Add", {length, extent(b, b.in(past), 3)});
  }
  const ValueId bias = sum_of(b, MaskReader(b, type, a.mask_filter_value).read(b.in(mask), projected, length, total), more_bias);
  const AttentionAttrs at{
      .is_causal = a.unidirectional, .q_num_heads = a.num_heads, .kv_num_heads = a.num_heads, .scale = a.scale};
  const size_t outputs = b.output_count() > 1 ? 3 : 1;
  const std::vector<ValueId> y = b.nodes("Attention", at, {parts[0], parts[1], parts[2], bias, past_key, past_value}, outputs);
  b.set(0, y[0]);
  if (outputs == 3) b.set(1, b.node("Concat", ConcatAttrs{0}, {unsqueezed(b, y[1], {0}), unsqueezed(b, y[2], {0})}));
}

void attention_body(FunctionBody& b) {
  ValueId projected = b.node("MatMul", {b.in(0), b.in(1)});
  if (b.has(2)) projected = b.node("Add", {projected, b.in(2)});
  attend(b, b.attrs<ProjectedAttentionAttrs>(), projected, 3, 4, b.in(5));
}

/// Inputs: input, weight, bias, input_scale, weight_scale, mask_index, input_zero_point, weight_zero_point, past.
void quantised_body(FunctionBody& b) {
  const ValueId x = b.node("DequantizeLinear", DequantizeAttrs{}, {b.in(0), b.in(3), b.in(6)});
  const ValueId w = b.node("DequantizeLinear", DequantizeAttrs{.axis = 1}, {b.in(1), b.in(4), b.in(7)});
  attend(b, b.attrs<ProjectedAttentionAttrs>(), b.node("Add", {b.node("MatMul", {x, w}), b.in(2)}), 5, 8, ir::kNone);
}

/// Part `i` of [B, L, N, parts, H] as [B, N, L, H].
std::vector<ValueId> unpacked(FunctionBody& b, ValueId v, int64_t parts) {
  std::vector<ValueId> out = b.nodes("Split", SplitAttrs{.axis = 3, .num_outputs = parts}, {v}, static_cast<size_t>(parts));
  for (ValueId& part : out) part = b.node("Transpose", TransposeAttrs{{0, 2, 1, 3}}, {b.node("Squeeze", {part, b.ints({3})})});
  return out;
}

/// [B, L, N*H] as [B, N, L, H].
ValueId heads_first(FunctionBody& b, ValueId v, int64_t heads) {
  return b.node("Transpose", TransposeAttrs{{0, 2, 1, 3}}, {b.node("Reshape", ReshapeAttrs{}, {v, b.ints({0, 0, heads, -1})})});
}

void multi_head_body(FunctionBody& b) {
  const auto& a = b.attrs<MultiHeadAttentionAttrs>();
  if (a.num_heads < 1) return b.fail(fail(ErrorCode::invalid_model, "num_heads is {}", a.num_heads));
  if (b.has(9)) return b.fail(Error(ErrorCode::invalid_model, "caches of a beam search (cache_indirection) are not supported"));
  ValueId q = b.in(0), k = b.in(1), v = b.in(2);
  const size_t q_rank = b.rank(q), k_rank = b.has(1) ? b.rank(k) : 0;
  const ElementType type = b.type(q);
  if (b.error()) return;
  if (type == ElementType::undefined) return b.fail(Error(ErrorCode::unsupported, "the type of the query must be known"));
  const bool packed = q_rank == 5 || k_rank == 5;
  if (packed && b.has(3)) return b.fail(Error(ErrorCode::invalid_model, "a bias does not go with packed heads"));
  if (q_rank != 5 && (!b.has(1) || (k_rank != 5 && !b.has(2))))
    return b.fail(Error(ErrorCode::invalid_model, "key and value are missing"));
  const ValueId input = q;
  if (b.has(3)) {
    const bool all = k_rank == 3;
    const ValueId rest =
        all ? b.node("Concat", ConcatAttrs{0}, {extent(b, q, 2), extent(b, k, 2), extent(b, v, 2)})
            : b.node("Concat", ConcatAttrs{0}, {extent(b, q, 2), b.node("Sub", {extent(b, b.in(3), 0), extent(b, q, 2)})});
    const std::vector<ValueId> parts = b.nodes("Split", SplitAttrs{}, {b.in(3), rest}, all ? 3 : 2);
    q = b.node("Add", {q, parts[0]});
    if (all) {
      k = b.node("Add", {k, parts[1]});
      v = b.node("Add", {v, parts[2]});
    }
  }
  const bool four = packed || k_rank == 4;
  if (q_rank == 5) {
    const std::vector<ValueId> parts = unpacked(b, q, 3);
    q = parts[0], k = parts[1], v = parts[2];
  } else if (four) {
    q = heads_first(b, q, a.num_heads);
    if (k_rank == 5) {
      const std::vector<ValueId> parts = unpacked(b, k, 2);
      k = parts[0], v = parts[1];
    }
  }
  const int64_t axis = four ? 2 : 1;
  // A shared buffer holds past_sequence_length tokens and room for the new ones.
  ValueId past_key = b.in(6), past_value = b.in(7), held = ir::kNone;
  if (b.has(8)) {
    held = b.node("Reshape", {b.cast(b.in(8), E::i64), b.ints({1})});
    const auto used = [&](ValueId buffer) { return b.node("Slice", {buffer, b.ints({0}), held, b.ints({2})}); };
    if (b.has(6)) past_key = used(past_key);
    if (b.has(7)) past_value = used(past_value);
  }
  ValueId total = extent(b, k, axis);
  if (b.has(6)) total = b.node("Add", {total, extent(b, past_key, 2)});
  const ValueId mask = MaskReader(b, type, a.mask_filter_value).read(b.in(4), input, extent(b, q, axis), total);
  const AttentionAttrs at{.is_causal = a.unidirectional,
                          .q_num_heads = a.num_heads,
                          .kv_num_heads = a.num_heads,
                          .scale = a.scale,
                          .qk_matmul_output_mode = 2};
  std::vector<ValueId> y =
      b.nodes("Attention", at, {q, k, v, sum_of(b, mask, b.in(5)), past_key, past_value}, std::max<size_t>(b.output_count(), 1));
  if (four)
    y[0] = b.node("Reshape", ReshapeAttrs{}, {b.node("Transpose", TransposeAttrs{{0, 2, 1, 3}}, {y[0]}), b.ints({0, 0, -1})});
  for (size_t i = 1; b.has(8) && i < std::min<size_t>(y.size(), 3); ++i) {
    const ValueId room = b.node("Slice", {b.in(5 + i), total, b.ints({INT64_MAX}), b.ints({2})});
    y[i] = b.node("Concat", ConcatAttrs{2}, {y[i], room});
  }
  for (size_t i = 0; i < y.size(); ++i) b.set(i, y[i]);
}

std::vector<Sample> attention_samples() {
  using sample::noise;
  const SampleInput x{noise({2, 3, 8})}, w = sample::constant(noise({8, 24}, 2)), bias = sample::constant(noise({24}, 3));
  const auto mask = [](const Dims& dims, std::initializer_list<double> values) {
    return SampleInput{sample::numbers(E::i32, dims, values)};
  };
  const ProjectedAttentionAttrs two{.num_heads = 2};
  ProjectedAttentionAttrs causal = two, uneven = two;
  causal.unidirectional = true;
  uneven.qkv_hidden_sizes = {8, 8, 4};
  return {{"plain", two, {x, w, bias}, 1},
          {"mask", two, {x, w, bias, mask({2, 3}, {1, 1, 0, 1, 1, 1})}, 1},
          {"ends", two, {x, w, bias, mask({2}, {2, 3})}, 1},
          {"spans", two, {x, w, bias, mask({4}, {2, 3, 0, 1})}, 1},
          {"causal_past", causal, {x, w, bias, sample::absent(), {noise({2, 2, 2, 4, 4}, 4)}}, 2},
          {"uneven", uneven, {x, {noise({8, 20}, 2)}, sample::absent()}, 1}};
}

std::vector<Sample> multi_head_samples() {
  using sample::absent;
  using sample::noise;
  const MultiHeadAttentionAttrs two{.num_heads = 2};
  const SampleInput q{noise({2, 3, 8})}, k{noise({2, 5, 8}, 2)}, v{noise({2, 5, 6}, 3)};
  return {{"cross", two, {q, k, v}, 1},
          {"bias", two, {q, k, v, {noise({22}, 4)}}, 1},
          {"past",
           two,
           {q,
            {noise({2, 3, 8}, 2)},
            {noise({2, 3, 8}, 3)},
            absent(),
            absent(),
            absent(),
            {noise({2, 2, 4, 4}, 5)},
            {noise({2, 2, 4, 4}, 6)}},
           3},
          {"packed", two, {{noise({2, 3, 2, 3, 4})}}, 1},
          {"cached_key", two, {q, {noise({2, 2, 5, 4}, 2)}, {noise({2, 2, 5, 4}, 3)}}, 1}};
}

std::vector<Sample> quantised_samples() {
  using sample::noise;
  const auto one = [](ElementType type, double value) { return SampleInput{sample::numbers(type, {}, {value}), true}; };
  return {{"per_tensor",
           ProjectedAttentionAttrs{.num_heads = 2},
           {{noise(E::u8, {2, 3, 8})},
            sample::constant(noise(E::i8, {8, 24}, 2)),
            sample::constant(noise({24}, 3)),
            one(E::f32, 0.02),
            one(E::f32, 0.01),
            sample::absent(),
            one(E::u8, 100),
            one(E::i8, 0)},
           1}};
}

}  // namespace

OpFamily projected_attention() {
  constexpr std::string_view kMicrosoft = "com.microsoft";
  constexpr TypeSet kTypes = types(E::f32, E::f16, E::bf16), kMask = types(E::i32), kByte = types(E::u8, E::i8);
  OpFamily family;
  family.push_back(function<attention_body, ProjectedAttentionAttrs>(Op("Attention", {1}, kMicrosoft)
                                                                         .in("input", kTypes)
                                                                         .in("weights", kTypes)
                                                                         .opt("bias", kTypes)
                                                                         .opt("mask_index", kMask, 'M')
                                                                         .opt("past", kTypes)
                                                                         .opt("attention_bias", kTypes)
                                                                         .opt("past_sequence_length", kMask, 'M')
                                                                         .out("output")
                                                                         .opt_out("present"))
                       .samples(attention_samples)
                       .doc("Attention of an input with itself, projections included."));
  family.push_back(function<multi_head_body, MultiHeadAttentionAttrs>(Op("MultiHeadAttention", {1}, kMicrosoft)
                                                                          .in("query", kTypes)
                                                                          .opt("key", kTypes)
                                                                          .opt("value", kTypes)
                                                                          .opt("bias", kTypes)
                                                                          .opt("key_padding_mask", kMask, 'M')
                                                                          .opt("attention_bias", kTypes)
                                                                          .opt("past_key", kTypes)
                                                                          .opt("past_value", kTypes)
                                                                          .opt("past_sequence_length", kMask, 'M')
                                                                          .opt("cache_indirection", kMask, 'M')
                                                                          .out("output")
                                                                          .opt_out("present_key")
                                                                          .opt_out("present_value")
                                                                          .opt_out("qk", kTypes, 0))
                       .samples(multi_head_samples)
                       .doc("Attention of queries to keys and values, in ONNX Runtime's layouts."));
  family.push_back(function<quantised_body, ProjectedAttentionAttrs>(Op("QAttention", {1}, kMicrosoft)
                                                                         .in("input", kByte, 'X')
                                                                         .in("weight", kByte, 'W')
                                                                         .in("bias", kTypes)
                                                                         .in("input_scale", kTypes)
                                                                         .in("weight_scale", kTypes)
                                                                         .opt("mask_index", kMask, 'M')
                                                                         .opt("input_zero_point", kByte, 'X')
                                                                         .opt("weight_zero_point", kByte, 'W')
                                                                         .opt("past", kTypes)
                                                                         .out("output", kTypes, 'T')
                                                                         .opt_out("present", kTypes, 'T'))
                       .samples(quantised_samples)
                       .doc("Attention with its projections on bytes."));
  return family;
}

}  // namespace slipway::ops

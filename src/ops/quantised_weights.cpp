// Weights kept quantised (com.microsoft): tables in blocks, 4-bit code books, and the LSTM of dynamic quantisation. Each is its
// plain operator on the weights' real values.
#include "ops/binary.hpp"
#include "ops/concat.hpp"
#include "ops/function.hpp"
#include "ops/gather.hpp"
#include "ops/pad.hpp"
#include "ops/quantize.hpp"
#include "ops/sample.hpp"
#include "ops/shape.hpp"
#include "ops/transpose.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kReal = types(E::f32, E::f16, E::bf16);
constexpr TypeSet kSmallFloat = types(E::f8e4m3fn, E::f8e4m3fnuz, E::f8e5m2, E::f8e5m2fnuz, E::f4e2m1);

struct GatherBlockAttrs {
  int64_t gather_axis = 0, quantize_axis = 1, block_size = 128, bits = 4;
  bool operator==(const GatherBlockAttrs&) const = default;
  static constexpr auto fields() {
    using A = GatherBlockAttrs;
    return std::tuple{field("gather_axis", &A::gather_axis), field("quantize_axis", &A::quantize_axis),
                      field("block_size", &A::block_size), field("bits", &A::bits)};
  }
};

struct MatMulBnb4Attrs {
  int64_t K = 0, N = 0, block_size = 0;
  int64_t quant_type = 1;  ///< 0: FP4, 1: NF4
  bool training_mode = false, transB = true;
  bool operator==(const MatMulBnb4Attrs&) const = default;
  static constexpr auto fields() {
    using A = MatMulBnb4Attrs;
    return std::tuple{field("K", &A::K, true),
                      field("N", &A::N, true),
                      field("block_size", &A::block_size, true),
                      field("quant_type", &A::quant_type, true),
                      field("training_mode", &A::training_mode),
                      field("transB", &A::transB)};
  }
};

/// The numbers of `width` bits in the bytes of the last axis, low bits first; that axis becomes as much longer.
ir::ValueId widened(FunctionBody& b, ir::ValueId bytes, int64_t width) {
  if (width == 8) return bytes;
  const size_t rank = b.rank(bytes);
  std::vector<ir::ValueId> pieces;
  const ir::ValueId apart = b.node("Unsqueeze", {bytes, b.ints({-1})});
  const ir::ValueId mask = b.number(E::u8, static_cast<double>((1 << width) - 1));
  for (int64_t shift = 0; shift < 8; shift += width) {
    const ir::ValueId moved =
        b.node("BitShift", BitShiftAttrs{.direction = "RIGHT"}, {apart, b.number(E::u8, static_cast<double>(shift))});
    pieces.push_back(b.node("BitwiseAnd", {moved, mask}));
  }
  std::vector<int64_t> shape(rank, 0);
  if (rank != 0) shape.back() = -1;
  return b.node("Reshape", {b.node("Concat", ConcatAttrs{.axis = -1}, std::move(pieces)), b.ints(shape)});
}

/// Inputs: data, indices, scales, zero points. What is not gathered is not made real.
void gather_block_body(FunctionBody& b) {
  const GatherBlockAttrs& at = b.attrs<GatherBlockAttrs>();
  const auto rank = static_cast<int64_t>(b.rank(b.in(0))), index_rank = static_cast<int64_t>(b.rank(b.in(1)));
  if (b.error()) return;
  const auto inside = [&](int64_t axis) { return axis < 0 ? axis + rank : axis; };
  const int64_t gathered = inside(at.gather_axis), quantised = inside(at.quantize_axis);
  if (gathered < 0 || gathered >= rank || quantised < 0 || quantised >= rank)
    return b.fail(fail(ErrorCode::invalid_model, "gather_axis {} and quantize_axis {} must lie within the {} axes of the data",
                       at.gather_axis, at.quantize_axis, rank));
  const bool bytes = b.type(b.in(0)) == E::u8, small = contains(kSmallFloat, b.type(b.in(0)));
  if (bytes && at.bits != 2 && at.bits != 4 && at.bits != 8)
    return b.fail(fail(ErrorCode::invalid_model, "bits is {}; 2, 4 or 8 is expected", at.bits));
  if (at.block_size < (small ? 0 : 1)) return b.fail(fail(ErrorCode::invalid_model, "block_size is {}", at.block_size));
  const bool apart = gathered != quantised;
  const auto rows = [&](ir::ValueId table) {
    return apart ? b.node("Gather", GatherAttrs{.axis = gathered}, {table, b.in(1)}) : table;
  };
  const int64_t width = bytes ? at.bits : 8;
  const ir::ValueId data = widened(b, rows(b.in(0)), width), scale = rows(b.in(2));
  ir::ValueId y = ir::kNone;
  if (at.block_size == 0) {
    y = b.node("Mul", {b.cast(data, b.type(scale)), scale});
  } else {
    ir::ValueId zero = ir::kNone;
    if (b.has(3)) {
      zero = widened(b, rows(b.in(3)), width);
      if (width < 8) {
        const ir::ValueId count = b.node("Shape", ShapeAttrs{.start = -1}, {scale});
        zero = b.node("Slice", {zero, b.ints({0}), count, b.ints({-1})});
      }
    } else if (bytes) {
      zero = b.node("Expand", {b.number(E::u8, static_cast<double>(1 << (at.bits - 1))), b.node("Shape", ShapeAttrs{}, {scale})});
    }
    const int64_t axis = apart && quantised > gathered ? quantised + index_rank - 1 : quantised;
    y = b.node("DequantizeLinear", DequantizeAttrs{.axis = axis, .block_size = at.block_size}, {data, scale, zero});
  }
  b.set(0, apart ? y : b.node("Gather", GatherAttrs{.axis = gathered}, {y, b.in(1)}));
}

/// The 16 values of bitsandbytes' FP4 and NF4.
ir::ValueId code_book(FunctionBody& b, bool normal) {
  static constexpr float kFloat4[] = {0.0f,  5.208333333e-03f,  0.66666667f,  1.0f,  0.33333333f,  0.5f,  0.16666667f,  0.25f,
                                      -0.0f, -5.208333333e-03f, -0.66666667f, -1.0f, -0.33333333f, -0.5f, -0.16666667f, -0.25f};
  static constexpr float kNormal4[] = {-1.0f,
                                       -0.6961928009986877f,
                                       -0.5250730514526367f,
                                       -0.39491748809814453f,
                                       -0.28444138169288635f,
                                       -0.18477343022823334f,
                                       -0.09105003625154495f,
                                       0.0f,
                                       0.07958029955625534f,
                                       0.16093020141124725f,
                                       0.24611230194568634f,
                                       0.33791524171829224f,
                                       0.44070982933044434f,
                                       0.5626170039176941f,
                                       0.7229568362236023f,
                                       1.0f};
  return b.constant(Tensor::from<float>(E::f32, {16}, normal ? kNormal4 : kFloat4));
}

/// Inputs: A, two codes a byte, high bits first, of the [N, K] weights, the largest magnitude of every block of them.
void bnb4_body(FunctionBody& b) {
  const MatMulBnb4Attrs& at = b.attrs<MatMulBnb4Attrs>();
  constexpr int64_t kLargest = int64_t{1} << 24;
  if (at.K < 1 || at.N < 1 || at.block_size < 1 || at.K > kLargest || at.N > kLargest || at.block_size > kLargest ||
      (at.quant_type != 0 && at.quant_type != 1)) {
    return b.fail(fail(ErrorCode::invalid_model,
                       "K, N and block_size must be positive and quant_type 0 or 1, here they are {}, {}, {} and {}", at.K, at.N,
                       at.block_size, at.quant_type));
  }
  const int64_t count = at.K * at.N, blocks = (count + at.block_size - 1) / at.block_size;
  const ir::ValueId column = b.node("Unsqueeze", {b.in(1), b.ints({-1})});
  const ir::ValueId high = b.node("BitShift", BitShiftAttrs{.direction = "RIGHT"}, {column, b.number(E::u8, 4)}),
                    low = b.node("BitwiseAnd", {column, b.number(E::u8, 15)});
  ir::ValueId codes = b.node("Reshape", {b.node("Concat", ConcatAttrs{.axis = 1}, {high, low}), b.ints({-1})});
  codes = b.node("Slice", {codes, b.ints({0}), b.ints({count}), b.ints({0})});
  if (blocks * at.block_size != count) codes = b.node("Pad", PadAttrs{}, {codes, b.ints({0, blocks * at.block_size - count})});
  const ir::ValueId values = b.node("Gather", GatherAttrs{}, {code_book(b, at.quant_type == 1), b.cast(codes, E::i64)});
  const ir::ValueId most = b.node("Reshape", {b.cast(b.in(2), E::f32), b.ints({blocks, 1})});
  ir::ValueId weights = b.node("Mul", {b.node("Reshape", {values, b.ints({blocks, at.block_size})}), most});
  weights = b.node("Slice", {b.node("Reshape", {weights, b.ints({-1})}), b.ints({0}), b.ints({count}), b.ints({0})});
  weights = b.cast(b.node("Reshape", {weights, b.ints({at.N, at.K})}), b.type(b.in(0)));
  if (at.transB) weights = b.node("Transpose", TransposeAttrs{.perm = {1, 0}}, {weights});
  b.set(0, b.node("MatMul", {b.in(0), weights}));
}

SampleInput f32(const Dims& dims, uint64_t seed) {
  return {sample::random(dims, -1, 1, seed)};
}
SampleInput byte(ElementType t, const Dims& dims, uint64_t seed) {
  return {sample::random(t, dims, t == E::u8 ? 0 : -128, t == E::u8 ? 256 : 128, seed)};
}

std::vector<Sample> gather_block_samples() {
  const SampleInput rows{sample::ints({3, 0, -1, 2})};
  const GatherBlockAttrs four{.gather_axis = 0, .quantize_axis = 1, .block_size = 16, .bits = 4};
  GatherBlockAttrs eight = four, same = four;
  eight.bits = 8;
  same.gather_axis = 1;
  return {{"nibbles", four, {byte(E::u8, {4, 20}, 1), rows, f32({4, 3}, 2), byte(E::u8, {4, 2}, 3)}, 1},
          {"no_zero_points", four, {byte(E::u8, {4, 16}, 1), rows, f32({4, 2}, 2)}, 1},
          {"bytes", eight, {byte(E::u8, {4, 32}, 1), rows, f32({4, 2}, 2), byte(E::u8, {4, 2}, 3)}, 1},
          {"int4", four, {{sample::random(E::i4, {4, 32}, -8, 8, 1)}, rows, f32({4, 2}, 2)}, 1},
          {"along_the_blocks", same, {{sample::random(E::u4, {4, 32}, 0, 16, 1)}, rows, f32({4, 2}, 2)}, 1}};
}

std::vector<Sample> bnb4_samples() {
  const MatMulBnb4Attrs normal{.K = 32, .N = 5, .block_size = 16, .quant_type = 1};
  MatMulBnb4Attrs plain = normal, odd = normal;
  plain.quant_type = 0;
  odd.K = 7;
  return {{"nf4", normal, {f32({2, 3, 32}, 1), byte(E::u8, {80}, 2), f32({10}, 3)}, 1},
          {"fp4", plain, {f32({3, 32}, 1), byte(E::u8, {80}, 2), f32({10}, 3)}, 1},
          {"odd", odd, {f32({3, 7}, 1), byte(E::u8, {18}, 2), f32({3}, 3)}, 1}};
}

Op microsoft(std::string_view op) {
  return Op(op, {1}, "com.microsoft");
}

}  // namespace

OpFamily quantised_weights() {
  OpFamily family;
  constexpr TypeSet kTable = types(E::u8, E::u4, E::i4) | kSmallFloat;
  family.push_back(function<gather_block_body, GatherBlockAttrs>(microsoft("GatherBlockQuantized")
                                                                     .in("data", kTable, 'Q')
                                                                     .in("indices", kIndex, 'I')
                                                                     .in("scales", kReal)
                                                                     .opt("zero_points", kTable, 'Q')
                                                                     .out("output"))
                       .samples(gather_block_samples)
                       .doc("Gather of a table that is quantised in blocks, as real numbers."));
  family.push_back(function<bnb4_body, MatMulBnb4Attrs>(
                       microsoft("MatMulBnb4").in("A", kReal).in("B", types(E::u8), 'B').in("absmax", kReal).out("Y"))
                       .samples(bnb4_samples)
                       .doc("MatMul with weights in bitsandbytes' FP4 or NF4."));
  return family;
}

}  // namespace slipway::ops

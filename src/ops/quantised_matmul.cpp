// Matrix products on quantised numbers (com.microsoft): byte products with float results, and weights packed in blocks of 2, 4 or
// 8 bits.
#include "ops/binary.hpp"
#include "ops/concat.hpp"
#include "ops/function.hpp"
#include "ops/gather.hpp"
#include "ops/quantize.hpp"
#include "ops/sample.hpp"
#include "ops/transpose.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kByte = types(E::u8, E::i8);
constexpr TypeSet kReal = types(E::f32, E::f16, E::bf16);

struct QGemmAttrs {
  float alpha = 1;
  bool transA = false, transB = false;
  bool operator==(const QGemmAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("alpha", &QGemmAttrs::alpha), field("transA", &QGemmAttrs::transA),
                      field("transB", &QGemmAttrs::transB)};
  }
};

struct MatMulNBitsAttrs {
  int64_t K = 0, N = 0, bits = 4, block_size = 0;
  int64_t accuracy_level = 0;  ///< a hint of the exporter, not needed here
  bool operator==(const MatMulNBitsAttrs&) const = default;
  static constexpr auto fields() {
    using A = MatMulNBitsAttrs;
    return std::tuple{field("K", &A::K, true), field("N", &A::N, true), field("bits", &A::bits),
                      field("block_size", &A::block_size, true), field("accuracy_level", &A::accuracy_level)};
  }
};

/// An integer product times the scales of both sides, plus a bias when there is one.
ir::ValueId rescaled(FunctionBody& b, ir::ValueId product, ir::ValueId left_scale, ir::ValueId right_scale, size_t bias) {
  const ir::ValueId scale = b.node("Mul", {left_scale, right_scale});
  const ir::ValueId y = b.node("Mul", {b.cast(product, b.type(left_scale)), scale});
  return b.has(bias) ? b.node("Add", {y, b.in(bias)}) : y;
}

/// Inputs: A, B, B's scale and zero point, bias.
void dynamic_body(FunctionBody& b) {
  const std::vector<ir::ValueId> a = b.nodes("DynamicQuantizeLinear", NoAttrs{}, {b.in(0)}, 3);
  b.set(0, rescaled(b, b.node("MatMulInteger", {a[0], b.in(1), a[2], b.in(3)}), a[1], b.in(2), 4));
}

/// Inputs: A, B, their scales, their zero points, bias.
void to_float_body(FunctionBody& b) {
  b.set(0, rescaled(b, b.node("MatMulInteger", {b.in(0), b.in(1), b.in(4), b.in(5)}), b.in(2), b.in(3), 6));
}

/// Inputs: A, scale, zero point, B, scale, zero point, C in the product's integers, scale and zero point of the result.
void gemm_body(FunctionBody& b) {
  const QGemmAttrs& at = b.attrs<QGemmAttrs>();
  const auto side = [&](size_t i, bool swap) {
    return swap ? b.node("Transpose", TransposeAttrs{.perm = {1, 0}}, {b.in(i)}) : b.in(i);
  };
  ir::ValueId product = b.node("MatMulInteger", {side(0, at.transA), side(3, at.transB), b.in(2), b.in(5)});
  if (b.has(6)) product = b.node("Add", {product, b.in(6)});
  const ir::ValueId left = b.node("Mul", {b.in(1), b.number(ElementType::f32, at.alpha)});
  const ir::ValueId y = rescaled(b, product, left, b.in(4), SIZE_MAX);
  if (!b.has(7)) return b.set(0, y);
  const QuantizeAttrs quantised{.output_dtype = b.has(8) ? ElementType::undefined : b.type(b.in(0))};
  b.set(0, b.node("QuantizeLinear", quantised, {y, b.in(7), b.in(8)}));
}

/// The numbers of `width` bits in the bytes of a matrix [rows, ...], low bits first, as bytes [rows, count].
ir::ValueId unpacked(FunctionBody& b, ir::ValueId bytes, int64_t rows, int64_t count, int64_t width) {
  std::vector<ir::ValueId> pieces;
  const ir::ValueId flat = b.node("Reshape", {bytes, b.ints({rows, -1, 1})});
  const ir::ValueId mask = b.number(ElementType::u8, static_cast<double>((1 << width) - 1));
  for (int64_t shift = 0; shift < 8; shift += width) {
    const ir::ValueId by = b.number(ElementType::u8, static_cast<double>(shift));
    const ir::ValueId moved = shift == 0 ? flat : b.node("BitShift", BitShiftAttrs{.direction = "RIGHT"}, {flat, by});
    pieces.push_back(width == 8 ? moved : b.node("BitwiseAnd", {moved, mask}));
  }
  const ir::ValueId together = pieces.size() == 1 ? pieces[0] : b.node("Concat", ConcatAttrs{.axis = 2}, std::move(pieces));
  const ir::ValueId matrix = b.node("Reshape", {together, b.ints({rows, -1})});
  return b.node("Slice", {matrix, b.ints({0}), b.ints({count}), b.ints({1})});
}

/// Inputs: A, packed B, scales, zero points, block of each row, bias. The weights become those of DequantizeLinear in blocks.
void nbits_body(FunctionBody& b) {
  const MatMulNBitsAttrs& at = b.attrs<MatMulNBitsAttrs>();
  constexpr int64_t kLargest = int64_t{1} << 31;
  if ((at.bits != 2 && at.bits != 4 && at.bits != 8) || at.block_size < 1 || at.K < 1 || at.N < 1 || at.K > kLargest ||
      at.N > kLargest || at.block_size > kLargest) {
    return b.fail(fail(ErrorCode::invalid_model,
                       "bits must be 2, 4 or 8 and K, N and block_size positive, here they are {}, {}, {}, {}", at.bits, at.K,
                       at.N, at.block_size));
  }
  const int64_t blocks = (at.K + at.block_size - 1) / at.block_size;
  ir::ValueId scale = b.node("Reshape", {b.in(2), b.ints({at.N, blocks})});
  const bool real_zero = b.has(3) && b.type(b.in(3)) != ElementType::u8;
  ir::ValueId zero = ir::kNone;
  if (real_zero) {
    zero = b.node("Reshape", {b.in(3), b.ints({at.N, blocks})});
  } else if (b.has(3)) {
    zero = unpacked(b, b.in(3), at.N, blocks, at.bits);
  } else {
    zero = b.node("Expand", {b.number(ElementType::u8, static_cast<double>(1 << (at.bits - 1))), b.ints({at.N, blocks})});
  }
  DequantizeAttrs blocked{.axis = 1, .block_size = at.block_size};
  if (b.has(4) || real_zero) {  // one scale and zero point for every weight
    const ir::ValueId order =
        b.has(4) ? b.in(4)
                 : b.node("Div",
                          {b.node("Range", {b.number(ElementType::i64, 0), b.number(ElementType::i64, static_cast<double>(at.K)),
                                            b.number(ElementType::i64, 1)}),
                           b.number(ElementType::i64, static_cast<double>(at.block_size))});
    scale = b.node("Gather", GatherAttrs{.axis = 1}, {scale, order});
    zero = b.node("Gather", GatherAttrs{.axis = 1}, {zero, order});
    blocked.block_size = 1;
  }
  const ir::ValueId packed = unpacked(b, b.in(1), at.N, at.K, at.bits);
  const ir::ValueId weights = real_zero ? b.node("Mul", {b.node("Sub", {b.cast(packed, b.type(scale)), zero}), scale})
                                        : b.node("DequantizeLinear", blocked, {packed, scale, zero});
  const ir::ValueId y = b.node("MatMul", {b.in(0), b.node("Transpose", TransposeAttrs{.perm = {1, 0}}, {weights})});
  b.set(0, b.has(5) ? b.node("Add", {y, b.in(5)}) : y);
}

SampleInput f32(const Dims& dims, uint64_t seed) {
  return {sample::random(dims, -1, 1, seed)};
}
SampleInput byte(ElementType t, const Dims& dims, uint64_t seed) {
  return {sample::random(t, dims, t == E::u8 ? 0 : -128, t == E::u8 ? 256 : 128, seed)};
}
SampleInput scale(double v) {
  return sample::constant(sample::floats({}, {v}));
}
SampleInput zero(ElementType t, double v) {
  return sample::constant(sample::numbers(t, {}, {v}));
}

std::vector<Sample> dynamic_samples() {
  return {{"per_tensor", {}, {f32({3, 8}, 1), byte(E::i8, {8, 5}, 2), scale(0.03), zero(E::i8, 7), f32({5}, 3)}, 1},
          {"per_column", {}, {f32({2, 3, 8}, 1), byte(E::u8, {8, 5}, 2), f32({5}, 3), byte(E::u8, {5}, 4)}, 1},
          {"no_zero_point", {}, {f32({3, 8}, 1), byte(E::i8, {8, 5}, 2), scale(0.03)}, 1}};
}

std::vector<Sample> to_float_samples() {
  return {
      {"per_tensor",
       {},
       {byte(E::u8, {3, 8}, 1), byte(E::i8, {8, 5}, 2), scale(0.03), scale(0.02), zero(E::u8, 7), zero(E::i8, 5), f32({5}, 3)},
       1},
      {"per_column",
       {},
       {byte(E::u8, {3, 8}, 1), byte(E::u8, {8, 5}, 2), scale(0.03), f32({5}, 3), zero(E::u8, 7), byte(E::u8, {5}, 4)},
       1},
      {"no_zero_points", {}, {byte(E::u8, {3, 8}, 1), byte(E::i8, {8, 5}, 2), scale(0.03), scale(0.02)}, 1}};
}

std::vector<Sample> gemm_samples() {
  const SampleInput c{sample::random(E::i32, {5}, -500, 500, 3)};
  return {{"quantised",
           QGemmAttrs{},
           {byte(E::u8, {3, 8}, 1), scale(0.02), zero(E::u8, 5), byte(E::i8, {8, 5}, 2), scale(0.03), zero(E::i8, 7), c,
            scale(0.05), zero(E::u8, 9)},
           1},
          {"real",
           QGemmAttrs{.alpha = 0.5f, .transA = true, .transB = true},
           {byte(E::u8, {8, 3}, 1), scale(0.02), zero(E::u8, 5), byte(E::u8, {5, 8}, 2), f32({5}, 4), byte(E::u8, {5}, 5)},
           1}};
}

std::vector<Sample> nbits_samples() {
  const MatMulNBitsAttrs four{.K = 70, .N = 5, .bits = 4, .block_size = 32};
  MatMulNBitsAttrs eight = four, two = four;
  eight.bits = 8;
  two.bits = 2;
  const SampleInput order{sample::random(E::i32, {70}, 0, 3, 6)};
  return {{"four", four, {f32({2, 3, 70}, 1), byte(E::u8, {5, 3, 16}, 2), f32({15}, 3)}, 1},
          {"four_zero_points", four, {f32({3, 70}, 1), byte(E::u8, {5, 3, 16}, 2), f32({15}, 3), byte(E::u8, {10}, 4)}, 1},
          {"real_zero_points", four, {f32({3, 70}, 1), byte(E::u8, {5, 3, 16}, 2), f32({15}, 3), f32({15}, 4)}, 1},
          {"order_and_bias",
           four,
           {f32({3, 70}, 1), byte(E::u8, {5, 3, 16}, 2), f32({15}, 3), byte(E::u8, {10}, 4), order, f32({5}, 5)},
           1},
          {"eight", eight, {f32({3, 70}, 1), byte(E::u8, {5, 3, 32}, 2), f32({5, 3}, 3), byte(E::u8, {15}, 4)}, 1},
          {"two", two, {f32({3, 70}, 1), byte(E::u8, {5, 3, 8}, 2), f32({15}, 3)}, 1}};
}

Op microsoft(std::string_view op) {
  return Op(op, {1}, "com.microsoft");
}

}  // namespace

OpFamily quantised_matmul() {
  OpFamily family;
  family.push_back(function<dynamic_body>(microsoft("DynamicQuantizeMatMul")
                                              .in("A", types(E::f32))
                                              .in("B", kByte, 'B')
                                              .in("b_scale", types(E::f32))
                                              .opt("b_zero_point", kByte, 'B')
                                              .opt("bias", types(E::f32))
                                              .out("Y"))
                       .samples(dynamic_samples)
                       .doc("A quantised on the fly, times B in bytes, as floats."));
  family.push_back(function<to_float_body>(microsoft("MatMulIntegerToFloat")
                                               .in("A", kByte, 'A')
                                               .in("B", kByte, 'B')
                                               .in("a_scale", types(E::f32, E::f16))
                                               .in("b_scale", types(E::f32, E::f16))
                                               .opt("a_zero_point", kByte, 'A')
                                               .opt("b_zero_point", kByte, 'B')
                                               .opt("bias", types(E::f32, E::f16))
                                               .out("Y"))
                       .samples(to_float_samples)
                       .doc("The product of bytes as floats, by the scales of both."));
  family.push_back(function<gemm_body, QGemmAttrs>(microsoft("QGemm")
                                                       .in("A", kByte, 'A')
                                                       .in("a_scale", types(E::f32))
                                                       .in("a_zero_point", kByte, 'A')
                                                       .in("B", kByte, 'B')
                                                       .in("b_scale", types(E::f32))
                                                       .in("b_zero_point", kByte, 'B')
                                                       .opt("C", types(E::i32), 'C')
                                                       .opt("y_scale", types(E::f32))
                                                       .opt("y_zero_point", kByte, 0)
                                                       .out("Y", kByte | types(E::f32), 0))
                       .samples(gemm_samples)
                       .doc("Gemm of quantised matrices; C is in the integers of the product."));
  family.push_back(function<nbits_body, MatMulNBitsAttrs>(microsoft("MatMulNBits")
                                                              .in("A", kReal)
                                                              .in("B", types(E::u8), 'B')
                                                              .in("scales", kReal)
                                                              .opt("zero_points", kReal | types(E::u8), 0)
                                                              .opt("g_idx", types(E::i32), 'I')
                                                              .opt("bias", kReal)
                                                              .out("Y"))
                       .samples(nbits_samples)
                       .doc("A times the transpose of weights of 2, 4 or 8 bits with a scale for each block of a row."));
  return family;
}

}  // namespace slipway::ops

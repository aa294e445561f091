// DynamicQuantizeLSTM (com.microsoft): an LSTM whose weights are stored as bytes.
#include "ops/function.hpp"
#include "ops/quantize.hpp"
#include "ops/recurrent.hpp"
#include "ops/sample.hpp"
#include "ops/transpose.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kByte = types(E::u8, E::i8);

/// LSTM's inputs, then the scale and zero point of W and of R.
enum Input : size_t { kX, kW, kR, kB, kLengths, kH0, kC0, kP, kWScale, kWZero, kRScale, kRZero };

/// [directions, rows, gates * hidden] bytes as LSTM wants them: floats, the last two axes exchanged. Scale and zero point are one
/// number per direction or one per direction and column.
ir::ValueId weights(FunctionBody& b, size_t bytes, size_t scale, size_t zero) {
  const auto placed = [&](ir::ValueId v) {
    const ir::ValueId axes = b.rank(v) == 1 ? b.ints({1, 2}) : b.ints({1});
    return b.node("Unsqueeze", {v, axes});
  };
  ir::ValueId w = b.cast(b.in(bytes), E::f32);
  if (b.has(zero)) w = b.node("Sub", {w, b.cast(placed(b.in(zero)), E::f32)});
  w = b.node("Mul", {w, placed(b.in(scale))});
  return b.node("Transpose", TransposeAttrs{.perm = {0, 2, 1}}, {w});
}

/// X as its bytes say it. The states keep their precision: no byte of theirs is stored anywhere.
void body(FunctionBody& b) {
  const std::vector<ir::ValueId> x = b.nodes("DynamicQuantizeLinear", NoAttrs{}, {b.in(kX)}, 3);
  const ir::ValueId rounded = b.node("DequantizeLinear", {x[0], x[1], x[2]});
  const std::vector<ir::ValueId> y = b.nodes("LSTM", b.attrs<LstmAttrs>(),
                                             {rounded, weights(b, kW, kWScale, kWZero), weights(b, kR, kRScale, kRZero), b.in(kB),
                                              b.in(kLengths), b.in(kH0), b.in(kC0), b.in(kP)},
                                             b.output_count());
  for (size_t i = 0; i < y.size(); ++i) b.set(i, y[i]);
}

std::vector<Sample> samples() {
  using sample::absent, sample::constant, sample::noise;
  constexpr int64_t kSeq = 3, kBatch = 2, kIn = 5, kHidden = 4, kRows = 4 * kHidden;
  const auto make = [&](std::string label, LstmAttrs attrs, int64_t dirs, const Dims& scale) {
    attrs.hidden_size = kHidden;
    const auto scales = [&](uint64_t seed) { return constant(sample::random(scale, 0.005, 0.01, seed)); };
    const auto zeros = [&] { return constant(sample::random(E::u8, scale, 90, 110)); };
    return Sample{std::move(label),
                  std::move(attrs),
                  {{noise({kSeq, kBatch, kIn})},
                   constant(noise(E::u8, {dirs, kIn, kRows}, 2)),
                   constant(noise(E::u8, {dirs, kHidden, kRows}, 3)),
                   constant(noise({dirs, 2 * kRows}, 4)),
                   absent(),
                   {noise({dirs, kBatch, kHidden}, 5)},
                   {noise({dirs, kBatch, kHidden}, 6)},
                   absent(),
                   scales(7),
                   zeros(),
                   scales(8),
                   zeros()},
                  3};
  };
  return {make("one_scale", {}, 1, {1}), make("scale_per_column", {.direction = "bidirectional"}, 2, {2, kRows})};
}

}  // namespace

OpFamily quantised_lstm() {
  return {function<body, LstmAttrs>(Op("DynamicQuantizeLSTM", {1}, "com.microsoft")
                                        .in("X", types(E::f32))
                                        .in("W", kByte, 'W')
                                        .in("R", kByte, 'W')
                                        .opt("B", types(E::f32))
                                        .opt("sequence_lens", types(E::i32), 'L')
                                        .opt("initial_h", types(E::f32))
                                        .opt("initial_c", types(E::f32))
                                        .opt("P", types(E::f32))
                                        .in("W_scale", types(E::f32))
                                        .in("W_zero_point", kByte, 'W')
                                        .in("R_scale", types(E::f32))
                                        .in("R_zero_point", kByte, 'W')
                                        .opt_out("Y")
                                        .opt_out("Y_h")
                                        .opt_out("Y_c"))
              .samples(samples)
              .doc("LSTM with weights in bytes: [directions, input or hidden, 4 hidden]")};
}

}  // namespace slipway::ops

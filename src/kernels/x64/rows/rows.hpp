// Vector functions over rows of floats: softmax, normalisation and the gates of recurrent cells.
//
// Numeric recipe: 16 lanes whatever the instruction set; element i of a row belongs to lane i % 16, sums and maxima are lane-wise
// first and then one fixed tree. The answer depends on the row alone, and AVX2 and AVX-512 give the same bits.
#pragma once

#include <cstdint>

#include "base/cpu.hpp"

namespace slipway::rows {

/// Columns that the *_columns functions take at a time.
constexpr int64_t kLanes = 16;

/// One row of attention weights. Forbidden positions get the weight 0; a row without an allowed one becomes zeros.
struct MaskedRow {
  float scale = 1;                  ///< of the products
  const float* added = nullptr;     ///< n of them, or none
  const uint8_t* allows = nullptr;  ///< n of them, 0 forbids, or none
  int64_t visible = 0;              ///< positions from here on are forbidden
};

/// All functions read and write exactly n elements of each row; x and y may be the same.
struct Functions {
  void (*softmax)(const float* x, float* y, int64_t n);
  void (*log_softmax)(const float* x, float* y, int64_t n);
  /// `count` <= kLanes neighbouring columns of n elements, `step` floats from one to the next.
  void (*softmax_columns)(const float* x, float* y, int64_t n, int64_t step, int64_t count);
  void (*log_softmax_columns)(const float* x, float* y, int64_t n, int64_t step, int64_t count);
  void (*masked_softmax)(float* x, int64_t n, const MaskedRow& row);

  /// The mean, and 1 / sqrt(variance + epsilon).
  void (*moments)(const float* x, int64_t n, float epsilon, float* mean, float* inverse);
  /// 1 / sqrt(mean square + epsilon).
  float (*inverse_rms)(const float* x, int64_t n, float epsilon);
  /// y = (x - mean) * inverse * scale + bias; bias may be null.
  void (*normalise)(const float* x, float* y, int64_t n, float mean, float inverse, const float* scale, const float* bias);
  /// y = x * factor + offset.
  void (*affine)(const float* x, float* y, int64_t n, float factor, float offset);
  float (*total)(const float* x, int64_t n);

  /// Blocks of kLanes floats, one after the other: y = the sum of n of them.
  void (*block_total)(const float* x, float* y, int64_t n);
  /// y = bias + the sum of depth blocks of w, each times one element of x; bias may be null.
  void (*block_product)(const float* w, const float* x, const float* bias, float* y, int64_t depth);
  /// n blocks, each times the same factors.
  void (*block_scale)(const float* x, const float* factors, float* y, int64_t n);

  /// One step of an LSTM over n cells from its gate sums i, o, f, c, each n floats, one after the other:
  /// c = sigmoid(f) * c + sigmoid(i) * tanh(c~), h = sigmoid(o) * tanh(c).
  void (*lstm_cell)(const float* gates, float* c, float* h, int64_t n);
  /// The first half of a GRU step: the gate sums z, r in gates[0, 2n) become sigmoids, gated = r * x.
  void (*gru_gates)(float* gates, const float* x, float* gated, int64_t n);
  /// The second: h = (1 - z) * tanh(gates[2n, 3n) + recurrent) + z * h.
  void (*gru_cell)(const float* gates, const float* recurrent, float* h, int64_t n);
};

/// Precondition: isa >= Isa::avx2.
const Functions& functions(Isa isa);

extern const Functions kAvx2;
extern const Functions kAvx512;

}  // namespace slipway::rows

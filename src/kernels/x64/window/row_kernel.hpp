// The jitted row of a window that slides over each channel by itself (depthwise convolution, pooling), 16 channels side by side.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/cpu.hpp"
#include "base/error.hpp"
#include "kernels/x64/eltwise/program.hpp"
#include "kernels/x64/jit/code.hpp"
#include "ops/window.hpp"

namespace slipway::window {

constexpr int64_t kBlock = 16;

enum class Reduce : uint8_t {
  convolve,  ///< sum of input times weight
  max,
  average,  ///< sum over the count of taps
};

struct RowSpec {
  Isa isa = Isa::avx2;
  Reduce reduce = Reduce::convolve;
  ops::WindowAxis columns;
  int64_t tap_row_bytes = 0;            ///< between the input rows of two taps
  bool count_include_pad = false;       ///< average
  ElementType type = ElementType::f32;  ///< of input, output and full operands: f32 or bf16; weights are f32
  /// Of each finished sum (operand 0): full operands lie like the output, column operands are one value a channel. May be empty.
  eltwise::EltwiseProgram tail = eltwise::tail();
  std::vector<ElementType> operand_types;  ///< of the tail's operands; f32 where it ends

  ElementType operand_type(size_t i) const { return i < operand_types.size() ? operand_types[i] : ElementType::f32; }
};

struct RowArgs {
  const void* in = nullptr;       ///< pixel 0 of the first tap row that is inside the input
  int64_t tap_rows = 1;           ///< tap rows inside the input, >= 1
  const void* weights = nullptr;  ///< [tap row][tap column][16], from the first tap row inside
  float row_count = 1;            ///< average: tap rows that count
  void* out = nullptr;
  std::array<const void*, eltwise::kMaxOperands> operands;  ///< from 1 on
  int64_t tap_row_bytes = 0, repeats = 0;                   ///< the kernel's own
};

/// One output row of one block of 16 channels. Borders are code of their own, so the input needs no padding. Rows that differ in
/// their length by whole repeats of the inner loop share their code.
class RowKernel {
 public:
  /// Whether every window meets the input and the code stays of reasonable size.
  static bool fits(const ops::WindowAxis& rows, const ops::WindowAxis& columns);
  /// Precondition: it fits.
  static Result<RowKernel> make(const RowSpec& spec);

  void operator()(RowArgs& args) const noexcept {
    args.tap_row_bytes = tap_row_bytes_;
    args.repeats = repeats_;
    (*code_)(&args);
  }

 private:
  std::shared_ptr<const jit::Code> code_;
  int64_t tap_row_bytes_ = 0, repeats_ = 0;
};

}  // namespace slipway::window

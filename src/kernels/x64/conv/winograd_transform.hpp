// The jitted transforms of Winograd convolution on one tile of 16 channels in blocked16. They compute in fp32; the layer's own
// tensors may be bfloat16.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "kernels/x64/conv/winograd.hpp"
#include "kernels/x64/eltwise/program.hpp"
#include "kernels/x64/jit/code.hpp"

namespace slipway::conv {

/// B^T d B of a tile whose pixels are all there.
class InputTransform {
 public:
  struct Args {
    const std::byte* from = nullptr;  ///< the tile's first pixel
    int64_t row_bytes = 0;            ///< between its rows
    float* to = nullptr;              ///< the tile's 16 channels at position 0; positions column by column
    int64_t position_bytes = 0;
    float* temporary = nullptr;  ///< positions() vectors of 16
  };
  /// Shared: the same code is made once.
  static Result<std::shared_ptr<const InputTransform>> make(Isa isa, const Winograd& winograd, ElementType type);
  void operator()(Args args) const noexcept;

 private:
  jit::Code code_;
  int lanes_ = 16;
  int64_t element_bytes_ = 4;
};

/// A^T m A, the tail, and the store of the tile's outputs, or of its upper left part at an edge.
class OutputTransform {
 public:
  struct Spec {
    Isa isa = Isa::avx2;
    Winograd winograd;
    int columns = 2;                      ///< outputs stored of each row
    ElementType type = ElementType::f32;  ///< of outputs and full operands
    /// Full operands lie like the output, column operands are one value a channel. May be empty.
    eltwise::EltwiseProgram tail = eltwise::tail();
    /// Of the operands: full ones have the output's type, column ones f32.
    std::vector<ElementType> operand_types;
  };
  struct Args {
    const float* from = nullptr;  ///< the tile's 16 channels at position 0
    int64_t position_bytes = 0;
    std::byte* to = nullptr;  ///< its first output
    int64_t row_bytes = 0;
    int64_t rows = 0;  ///< of outputs stored, >= 1
    float* temporary = nullptr;
    std::array<const void*, eltwise::kMaxOperands> operands{};  ///< from 1 on
  };
  static Result<std::shared_ptr<const OutputTransform>> make(const Spec& spec);
  void operator()(Args args) const noexcept;

 private:
  jit::Code code_;
  int lanes_ = 16;
  int64_t element_bytes_ = 4;
  eltwise::EltwiseProgram tail_;
};

}  // namespace slipway::conv

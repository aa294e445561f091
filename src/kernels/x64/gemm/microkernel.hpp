// The batch-reduce GEMM microkernel: C[rows x columns] = tail(C0 + sum over i of A_i[rows x k] * B_i[k x columns]).
// One jitted tile serves GEMM, convolution (A_i: a filter tap and channel block), attention and recurrent cells.
//
// Numeric recipe: every element is one chain of fused multiply-adds in fp32 in the order of i and k, starting at C0 (0 or C),
// then the tail, then the rounding to C's type. It depends on neither tile, ISA, threads nor on the other rows and columns. Of
// bfloat16 operands k goes in pairs, the second of a pair first, as the instruction does it (which takes denormals as 0).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/cpu.hpp"
#include "base/element_type.hpp"
#include "base/error.hpp"
#include "kernels/x64/eltwise/program.hpp"
#include "kernels/x64/jit/code.hpp"

namespace slipway::gemm {

/// Where the rows of a tile lie.
struct Rows {
  enum class Kind : uint8_t {
    strided,   ///< distance given at run time
    constant,  ///< `bytes` apart, compiled in
    table,     ///< row r at `displacements[r]` bytes from the base, compiled in
  };
  Kind kind = Kind::strided;
  int32_t bytes = 0;
  std::vector<int32_t> displacements;

  static Rows apart(int32_t bytes) { return {Kind::constant, bytes, {}}; }
  static Rows at(std::vector<int32_t> displacements) { return {Kind::table, 0, std::move(displacements)}; }
  bool operator==(const Rows&) const = default;
};

/// Element type of A and B. A k-step is 4 bytes of A against one vector row of packed B whatever the type: two elements of
/// bfloat16, whose B is packed in pairs of rows. Below AVX512_BF16 their product is computed by fp32 multiply-adds.
enum class Product : uint8_t { f32, bf16 };

constexpr int element_bytes(Product product) {
  return product == Product::f32 ? 4 : 2;
}
/// Elements of k in a step.
constexpr int step_elements(Product product) {
  return product == Product::f32 ? 1 : 2;
}

struct MicrokernelSpec {
  Isa isa = Isa::portable;
  Product product = Product::f32;
  int rows = 1;
  int columns = 1;  ///< the last vector may be partial: C, column operands and B in place are then masked
  /// Columns of one packed panel of B (gemm/pack.hpp; a tile takes whole panels, several when columns exceeds it), or 0: B is
  /// row-major in place, its rows args.b_row_bytes apart.
  int panel_columns = 0;
  int64_t k = 0;            ///< elements when known at build time, 0: args.k
  bool batched = false;     ///< A_i at args.a + args.a_offsets[i]; B_i follow each other in each panel
  int64_t rest = 0;         ///< batched: k of each element of a second batch, whose B follows the first's; 0: there is none
  bool accumulate = false;  ///< C0 is C instead of zero
  int32_t prefetch = 0;     ///< packed B: each k-step asks for what lies this many bytes ahead in each panel
  ElementType c_type = ElementType::f32;  ///< or bf16
  Rows a_rows, c_rows;
  /// Columns of C in groups of this many (16 for blocked16), args.c.block_bytes apart; 0: contiguous. Multiple of the lanes.
  int c_block_columns = 0;
  /// Operand 0 is the sum. Full operands lie like C (same Rows kind and displacements, grouped columns) with their own run-time
  /// strides; column operands are contiguous over the columns; row operands contiguous over the rows.
  eltwise::EltwiseProgram tail;
  /// Of the tail's operands, f32 or bf16; f32 where it ends. Full ones have C's type.
  std::vector<ElementType> operand_types;

  ElementType operand_type(size_t i) const { return i < operand_types.size() ? operand_types[i] : ElementType::f32; }
  bool operator==(const MicrokernelSpec&) const = default;
  /// Equal specs have equal text.
  std::string text() const;
};

/// A matrix of the tile's shape; strides matter only where the spec leaves them to run time.
struct Surface {
  const void* data = nullptr;
  int64_t row_bytes = 0;
  int64_t block_bytes = 0;
};

struct MicrokernelArgs {
  const void* a = nullptr;
  const void* b = nullptr;
  const int64_t* a_offsets = nullptr;  ///< bytes, `batch` of them
  int64_t batch = 1;                   ///< >= 1 when the spec is batched
  const int64_t* rest_offsets = nullptr;
  int64_t rest_batch = 1;  ///< >= 1 when the spec has a rest
  int64_t k = 0;           ///< >= 0
  int64_t a_row_bytes = 0;
  int64_t b_row_bytes = 0;
  int64_t b_panel_bytes = 0;                            ///< from panel to panel, when the tile takes several
  Surface c;                                            ///< written
  std::array<Surface, eltwise::kMaxOperands> operands;  ///< as numbered in the tail; 0 is not read
};

/// Immutable, callable from any thread. Shared: equal specs give the same kernel while one is alive.
class Microkernel {
 public:
  static Result<std::shared_ptr<const Microkernel>> make(const MicrokernelSpec& spec);

  void operator()(const MicrokernelArgs& args) const { code_(&args); }
  const MicrokernelSpec& spec() const { return spec_; }
  int spill_count() const { return code_.spill_count(); }
  size_t code_bytes() const { return code_.bytes().size(); }
  /// The virtual-register program, built again for showing.
  std::string program_text() const;

 private:
  MicrokernelSpec spec_;
  bool staged_ = false;
  jit::Code code_;
};

/// Vectors that `columns` columns take.
int vectors_of(Isa isa, int columns);
/// The most rows of a tile of `columns` columns that stay in registers: 28 / 14 / 9 / 7 (6 of bf16) for 1 to 4 zmm, 12 / 6 / 4
/// for ymm.
int max_rows(Isa isa, int columns, Product product = Product::f32);

}  // namespace slipway::gemm

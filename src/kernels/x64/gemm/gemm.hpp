// Blocked GEMM on the microkernel: C[m x n] = tail(C0 + A[m x k] * B[k x n]), A and C row-major in place, B packed or in
// place. Every element follows the microkernel's numeric recipe, so the answer depends on neither m, threads nor blocking.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.hpp"
#include "kernels/x64/gemm/microkernel.hpp"
#include "kernels/x64/gemm/pack.hpp"

namespace slipway::gemm {

struct GemmSpec {
  Isa isa = Isa::portable;
  Product product = Product::f32;         ///< type of A and B
  ElementType c_type = ElementType::f32;  ///< or bf16
  int64_t m = 0, n = 0, k = 0;
  bool b_packed = true;     ///< panels of PackShape::make(isa, k, n, product), else row-major
  bool accumulate = false;  ///< C0 is C instead of zero
  int64_t lda = 0;          ///< elements; guides the choice of tile
  /// Operand 0 is the sum; full operands are [m x n], column operands [n], row operands [m].
  eltwise::EltwiseProgram tail;
  std::vector<ElementType> operand_types;  ///< as in MicrokernelSpec
};

struct GemmArgs {
  const void* a = nullptr;
  int64_t lda = 0;  ///< elements, as are all strides here
  const void* b = nullptr;
  int64_t ldb = 0;  ///< B in place only
  void* c = nullptr;
  int64_t ldc = 0;
  struct TailOperand {
    const void* data = nullptr;
    int64_t ld = 0;  ///< full operands
  };
  std::array<TailOperand, eltwise::kMaxOperands> operands;  ///< as numbered in the tail; 0 is not read
};

/// Immutable; run() may be called from several threads at once, each with its own team.
class Gemm {
 public:
  /// Prepares the kernels for m rows. `unsupported` below AVX2 or where machine code may not be executed.
  static Result<Gemm> make(const GemmSpec& spec);

  /// Over all threads of the team.
  void run(const GemmArgs& args, Team& team) const noexcept;
  /// The part of thread `thread` of `threads`; parts are disjoint and together are run(). For batches of products in one fork.
  void run_part(const GemmArgs& args, int thread, int threads) const noexcept;

  /// "avx512 14x32, k 2 x 1024".
  std::string describe() const;
  const GemmSpec& spec() const { return spec_; }
  /// Vector registers that live on the stack in any of its kernels; 0 by design.
  int spill_count() const;

 private:
  /// Microkernels of one tile shape, by their part in the sum over k.
  struct Tile {
    std::shared_ptr<const Microkernel> only, first, middle, last;
  };
  struct Part {
    int64_t row_begin, row_end, group_begin, group_end;  ///< in tiles
  };

  void block_k();
  void block_rows(int tile_rows);
  Result<Tile> make_tile(int rows, int columns) const;
  Part part(int thread, int threads) const;
  void run_k_block(const GemmArgs& args, const Part& part, int64_t block) const;
  void run_tile(const GemmArgs& args, int64_t row_tile, int64_t group, int64_t block) const;
  int64_t row_of(int64_t tile) const;

  GemmSpec spec_;
  PackShape shape_;
  int64_t row_tiles_ = 0, tall_tiles_ = 0;  ///< the first `tall_tiles_` have one row more
  int rows_ = 0;                            ///< of the other tiles
  int64_t groups_ = 0;                      ///< of columns
  int group_columns_ = 0;
  int64_t k_blocks_ = 1, k_block_ = 0;
  int64_t row_block_ = 1;  ///< row tiles whose part of A stays in L2
  Tile tiles_[2][2];       ///< [tall][last group]
};

}  // namespace slipway::gemm

// The standalone elementwise kernel: an EltwiseProgram over a [rows, columns] result of any lane type.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/cpu.hpp"
#include "base/error.hpp"
#include "base/thread_pool.hpp"
#include "kernels/x64/eltwise/program.hpp"
#include "kernels/x64/jit/code.hpp"

namespace slipway::eltwise {

/// Columns are contiguous in every full operand and in the result; a result without broadcasting is one row.
struct KernelArgs {
  struct Matrix {
    const void* data = nullptr;
    int64_t row_bytes = 0;  ///< full operands and the result; may be 0 to repeat a row
  };
  int64_t rows = 1, columns = 0;  ///< >= 0
  Matrix out;                     ///< written; may be a full operand of the same rows
  std::array<Matrix, kMaxOperands> operands;
};

/// Immutable, callable from any thread. Shared: equal programs give the same kernel while one is alive.
class Kernel {
 public:
  /// Precondition: program.valid(). `unsupported` below AVX2 or where machine code may not be executed.
  static Result<std::shared_ptr<const Kernel>> make(Isa isa, const EltwiseProgram& program);

  void operator()(const KernelArgs& args) const noexcept;
  /// The same, shared by the team's threads.
  void run(const KernelArgs& args, Team& team) const noexcept;

  int spill_count() const { return code_.spill_count(); }

 private:
  static constexpr int64_t kNarrowLanes = 8;
  void last_columns(const KernelArgs& args, int64_t columns) const noexcept;

  EltwiseProgram program_;
  jit::Code code_;
  bool whole_vectors_ = false;  ///< the code takes multiples of kNarrowLanes columns
};

}  // namespace slipway::eltwise

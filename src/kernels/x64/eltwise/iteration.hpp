// How broadcast operands lie against a result: axes of equal behaviour merged, the inner two one matrix for the jitted kernel.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/thread_pool.hpp"
#include "kernels/x64/eltwise/kernel.hpp"

namespace slipway::eltwise {

/// The result as a nest of loops. Made axis by axis, outermost first; `present` says of each operand whether it has the axis
/// (else it is repeated along it). Operands are dense over the axes they have.
class Iteration {
 public:
  /// `widths`: bytes of an element of each operand, then of the result.
  explicit Iteration(std::vector<int64_t> widths) : strides_(widths.size() - 1), widths_(std::move(widths)) {}

  /// Axes of extent 1 vanish; an axis that behaves like the one before it is merged with it.
  void axis(int64_t extent, const std::vector<bool>& present);
  /// After the last axis: strides and the spread of each operand in the inner matrix.
  void finish();

  const std::vector<Spread>& spreads() const { return spreads_; }
  int64_t matrices() const { return matrices_; }
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }

  /// Runs the kernel over the share of one thread. Allocates nothing. `operands`: where each starts.
  void run(const Kernel& kernel, const std::array<const std::byte*, kMaxOperands>& operands, std::byte* out, int thread,
           int threads) const;

 private:
  struct Axis {
    int64_t extent;
    std::vector<bool> present;
  };
  struct Part {
    Team::Range matrices, rows, columns;
  };
  Part part_of(int thread, int threads) const;

  std::vector<Axis> axes_;
  std::vector<std::vector<int64_t>> strides_;  ///< [operand][outer axis], in elements
  std::vector<int64_t> widths_;
  std::vector<Spread> spreads_;
  std::vector<int64_t> row_strides_;
  int64_t matrices_ = 1, rows_ = 1, columns_ = 1;
};

}  // namespace slipway::eltwise

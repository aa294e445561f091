// Placement: where each element of a constant stands in a packed form of it, as a few loop nests. It makes packed weights
// self-describing: any slipway, on any machine, gets the original back without the tactic that packed them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tactic/tactic.hpp"

namespace slipway::engine {

/// For constants of two- or four-byte elements whose packing moves elements and fills gaps, but computes nothing.
class Placement {
 public:
  /// Loops inside one another at most.
  static constexpr size_t kMaxLoops = 6;

  /// Found by packing element numbers in place of the elements of a tensor like `constant`: what it says holds for packings that
  /// move elements, which undoes() tells of the real ones. nullopt: cannot be undone so, or not by a few loops. Takes memory for
  /// a packed form (two of them for two-byte elements) and kNumbersAtOnce elements.
  static std::optional<Placement> find(const Tensor& constant, const tactic::Packing& packing);
  /// Does undo() of `packed` give the very bytes of `constant`?
  bool undoes(const std::byte* packed, const Tensor& constant) const;

  /// Writes the elements of the original.
  void undo(const std::byte* packed, std::byte* original) const;

  std::vector<int64_t> encode() const;
  /// Checks that undo() stays within both sizes and takes no longer than they warrant. Errors: invalid_model.
  static Result<Placement> decode(std::span<const int64_t> words, size_t original_bytes, size_t packed_bytes);

 private:
  static constexpr int64_t kNumbersAtOnce = int64_t{16} << 20;

  struct Loop {
    int64_t count = 1, original = 0, packed = 0;  ///< steps in elements
  };
  /// Elements original + i * loop.original + ... from packed + i * loop.packed + ...; loops outermost first.
  struct Nest {
    int64_t original = 0, packed = 0;
    std::array<Loop, kMaxLoops> loops;
    size_t depth = 0;
  };
  class Folder;

  /// f(original, packed, count, original step, packed step) for each innermost run.
  template <class F>
  void each_run(const F& f) const;
  /// Does it write each of `elements` at least once?
  bool covers(int64_t elements) const;

  size_t width_ = 4;  ///< bytes of an element
  std::vector<Nest> nests_;
};

}  // namespace slipway::engine

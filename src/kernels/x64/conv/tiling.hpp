// The output pixels of a direct convolution cut into tiles of the microkernel's rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/x64/conv/halo.hpp"
#include "kernels/x64/gemm/microkernel.hpp"

namespace slipway::conv {

struct TilingSpec {
  Isa isa = Isa::portable;
  int columns = 1;  ///< output channels of a tile: they decide how many pixels fit the registers
  Window2d window;
  int64_t pixel_bytes = 0;  ///< of the input
  int64_t strip_rows = 0;   ///< offsets are into strips of padded input for so many rows of outputs; 0: into the input itself
  /// Pixels that are worked off one after another: where each begins, and the end. No tile reaches over such a border.
  std::span<const int64_t> stretches;
  gemm::Product product = gemm::Product::f32;

  int most_rows() const { return gemm::max_rows(isa, columns, product); }
  /// Rows of the input run on without a gap, and so do the tiles.
  bool flat() const;
  /// Whole rows of outputs that one tile holds.
  int64_t joined_rows() const;
};

struct Tiling {
  struct Kind {
    int rows = 0;
    gemm::Rows a;
  };
  struct Tile {
    int64_t in_offset = 0, out_pixel = 0;  ///< bytes; pixels
    int kind = 0;
  };
  std::vector<Kind> kinds;
  std::vector<Tile> tiles;
  std::vector<int64_t> first;  ///< tile of each stretch, and their number

  static Tiling make(const TilingSpec& spec);
  int most_rows() const;
};

}  // namespace slipway::conv

// A convolution layer of one or two spatial axes with constant weights and a tail, as the tactics on blocked16 read it.
#pragma once

#include <string>

#include "kernels/x64/conv/halo.hpp"
#include "kernels/x64/conv/tail_operands.hpp"
#include "kernels/x64/gemm/microkernel.hpp"

namespace slipway::conv {

struct Layer {
  Window2d window;
  int64_t batch = 1, in_channels = 1, out_channels = 1, groups = 1;
  ElementType type = ElementType::f32;  ///< of data, weights and result: f32 or bf16
  eltwise::Tail tail;

  int64_t element_bytes() const { return type == ElementType::bf16 ? 2 : 4; }
  gemm::Product product() const { return type == ElementType::bf16 ? gemm::Product::bf16 : gemm::Product::f32; }
  int64_t group_in() const { return in_channels / groups; }
  int64_t group_out() const { return out_channels / groups; }
  int64_t in_blocks() const { return blocks_of(in_channels); }
  int64_t out_blocks() const { return blocks_of(out_channels); }
  int64_t out_pixels() const { return window.h.out * window.w.out; }
  /// Multiply-adds of one image, counted twice as everywhere.
  double image_flops() const {
    return 2.0 * static_cast<double>(out_pixels() * out_channels) * static_cast<double>(group_in() * window.taps());
  }
};

/// A Conv or a group around one, f32 or bf16; on failure `reason` says why not.
bool read_layer(const tactic::Query& query, Layer& layer, std::string& reason);

}  // namespace slipway::conv

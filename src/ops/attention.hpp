// Attributes of Attention: softmax(scale * Q * K^T + mask) * V per head.
#pragma once

#include <optional>

#include "ir/attrs.hpp"

namespace slipway::ops {

/// Inputs Q, K, V as [batch, length, heads * size] (with both head counts) or [batch, heads, length, size]; then, each optional,
/// the mask (bool: true attends; numbers: added), past_key, past_value, nonpad_kv_seqlen. Outputs Y laid out as Q, present_key,
/// present_value, and the products asked for by qk_matmul_output_mode.
struct AttentionAttrs {
  bool is_causal = false;
  std::optional<int64_t> q_num_heads, kv_num_heads;
  std::optional<float> scale;  ///< absent: 1 / sqrt(size)
  float softcap = 0;           ///< above 0: c * tanh(x / c) before the mask
  int64_t qk_matmul_output_mode = 0;
  std::optional<int64_t> softmax_precision;
  int64_t left_window_size = -1, right_window_size = -1;  ///< -1: unbounded
  bool operator==(const AttentionAttrs&) const = default;
  static constexpr auto fields() {
    using A = AttentionAttrs;
    return std::tuple{ir::field("is_causal", &A::is_causal),
                      ir::field("q_num_heads", &A::q_num_heads),
                      ir::field("kv_num_heads", &A::kv_num_heads),
                      ir::field("scale", &A::scale),
                      ir::field("softcap", &A::softcap),
                      ir::field("qk_matmul_output_mode", &A::qk_matmul_output_mode),
                      ir::field("softmax_precision", &A::softmax_precision),
                      ir::field("left_window_size", &A::left_window_size),
                      ir::field("right_window_size", &A::right_window_size)};
  }
};

}  // namespace slipway::ops

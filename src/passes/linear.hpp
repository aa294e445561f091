// A linear operator with constant weights (Conv, ConvTranspose, Gemm, MatMul) seen as channels in and out, so that scales and
// shifts next to it can be worked into its weights.
#pragma once

#include <optional>
#include <vector>

#include "passes/match.hpp"

namespace slipway::passes {

class Linear {
 public:
  /// nullopt: the node is none of the four, or its weights (or bias) are no constants, or its ranks are not known.
  static std::optional<Linear> of(const Site& site, const ir::Node& node);

  int64_t channels_in() const { return in_; }
  int64_t channels_out() const { return out_; }
  /// The axis of the channels in the input and in the output, counted from the end as a negative number.
  int input_axis() const { return input_axis_; }
  int output_axis() const { return output_axis_; }
  /// Every input position meets every tap: no padding, so a constant added to the input adds a constant to the output.
  bool unpadded() const { return unpadded_; }
  bool takes_bias() const { return takes_bias_; }

  void scale_outputs(std::span<const double> factors);
  void scale_inputs(std::span<const double> factors);
  /// Preconditions: takes_bias().
  void shift_outputs(std::span<const double> offsets);
  /// Preconditions: takes_bias(), unpadded().
  void shift_inputs(std::span<const double> offsets);

  /// The node with the weights as they are now, reading `input`; its output.
  Result<ir::ValueId> build(ir::Patch& patch, ir::ValueId input) const;

 private:
  /// f(index of the weight, channel in, channel out) for every weight in order.
  template <class F>
  void each_weight(F&& f) const;
  void scale(std::span<const double> factors, bool outputs);
  std::vector<double>& bias();

  enum class Kind { conv, transposed, gemm, matmul } kind_ = Kind::conv;
  const ir::OpInfo* op_ = nullptr;
  ir::Attrs attrs_;
  ElementType type_ = ElementType::undefined;
  ir::ValueId weights_id_ = ir::kNone;
  Tensor weights_;
  bool weights_changed_ = false;
  std::optional<std::vector<double>> bias_;
  int64_t in_ = 0, out_ = 0, groups_ = 1, taps_ = 1;
  int input_axis_ = 0, output_axis_ = 0;
  bool unpadded_ = true, takes_bias_ = true, transposed_b_ = false;
};

/// A float constant that has one factor per channel: one element, or every extent 1 but the one on `axis` (negative, from the
/// end) which is `channels`. nullopt when it is anything else, or its rank is above that of the tensor it meets.
std::optional<std::vector<double>> per_channel(const Tensor& constant, int axis, int64_t channels, size_t rank);

}  // namespace slipway::passes

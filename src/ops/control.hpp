// If, Loop, Scan: nodes whose attributes are graphs.
#pragma once

#include "ir/attrs.hpp"

namespace slipway::ops {

struct IfAttrs {
  ir::GraphRef else_branch, then_branch;
  bool operator==(const IfAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{ir::field("else_branch", &IfAttrs::else_branch, true),
                      ir::field("then_branch", &IfAttrs::then_branch, true)};
  }
};

/// Body inputs: iteration number, condition, carried values; outputs: condition, carried values, scan outputs.
struct LoopAttrs {
  ir::GraphRef body;
  bool operator==(const LoopAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{ir::field("body", &LoopAttrs::body, true)}; }
};

/// Body inputs: states, then one slice of each scan input; outputs: states, then one slice of each scan output.
struct ScanAttrs {
  ir::GraphRef body;
  int64_t num_scan_inputs = 1;
  std::vector<int64_t> scan_input_axes, scan_output_axes;              ///< empty: 0 for each
  std::vector<int64_t> scan_input_directions, scan_output_directions;  ///< 1: reversed; empty: forward for each
  bool batched = false;  ///< the form of opset 8: every input and output has a leading batch axis, and each row is a scan
  bool lengths = false;  ///< of a batched scan: the first input says how many steps each row has; zeros stand behind them
  bool operator==(const ScanAttrs&) const = default;
  static constexpr auto fields() {
    using A = ScanAttrs;
    return std::tuple{ir::field("scan_input_axes", &A::scan_input_axes),
                      ir::field("scan_output_axes", &A::scan_output_axes),
                      ir::field("scan_output_directions", &A::scan_output_directions),
                      ir::field("scan_input_directions", &A::scan_input_directions),
                      ir::field("batched", &A::batched),
                      ir::field("lengths", &A::lengths),
                      ir::field("num_scan_inputs", &A::num_scan_inputs, true),
                      ir::field("body", &A::body, true)};
  }
};

}  // namespace slipway::ops

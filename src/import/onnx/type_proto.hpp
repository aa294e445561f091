// TypeProto messages become Facts.
#pragma once

#include "import/onnx/wire.hpp"
#include "ir/graph.hpp"

namespace slipway::import::onnx {

/// Kind, element type and shape as declared; names of extents become symbols of `graph` (nullptr: unknown extents). Negative
/// extents (some exporters' way to say so) are unknown. An empty message is an unknown Fact. Throws protozero::exception.
Result<ir::Fact> load_fact(Text type, ir::Graph* graph);

/// The same, but with nothing said of the extents of a sequence's or map's elements: each element may have its own.
Result<ir::Fact> load_result_fact(Text type, ir::Graph* graph);

}  // namespace slipway::import::onnx

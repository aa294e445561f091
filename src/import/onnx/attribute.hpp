// AttributeProto messages become AttrValues; sub-graphs are the graph builder's matter.
#pragma once

#include "import/onnx/proto.hpp"
#include "import/onnx/tensor_data.hpp"
#include "ir/attrs.hpp"

namespace slipway::import::onnx {

/// The kind that the attribute declares, or (when it declares none) that of the field that is there.
AttributeKind kind_of(const AttributeProto& attribute);
/// Any kind but graph and graphs. A type becomes its text ("seq(f32[...])"). Throws protozero::exception.
Result<ir::AttrValue> load_attribute(const AttributeProto& attribute, TensorSource& source);

}  // namespace slipway::import::onnx

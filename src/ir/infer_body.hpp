// Inference through a body, such as a fused group's, for given inputs and without a copy of it.
#pragma once

#include "ir/graph.hpp"

namespace slipway::ir {

/// The facts of a body's outputs for inputs of these facts and values (null: unknown), one each per input of the body; what the
/// body itself says of its inputs and inner values is not asked.
Result<std::vector<Fact>> infer_body(const Graph& body, std::span<const Fact* const> inputs,
                                     std::span<const Tensor* const> values);

}  // namespace slipway::ir

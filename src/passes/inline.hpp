// Copies a whole graph into a patch, in place of the node that stood for it.
#pragma once

#include "ir/patch.hpp"

namespace slipway::passes {

/// `arguments`: what the body's inputs stand for. Node names get `prefix`. The values that stand for the body's outputs.
Result<std::vector<ir::ValueId>> inlined(ir::Patch& patch, const ir::Graph& body, std::span<const ir::ValueId> arguments,
                                         std::string_view prefix);

}  // namespace slipway::passes

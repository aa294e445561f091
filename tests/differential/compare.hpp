// Runs a graph by the references and by every way an engine may run it, and says where answers differ.
#pragma once

#include "generate.hpp"

namespace slipway::differential {

/// Empty when all ways agree with the references on the graph as it is; else what differs, in a line. A way agrees where it is
/// within a rounding error's reach: as far as small changes of all computed values move the references' answer.
std::string difference(const Trial& trial);

/// The trial cut down as far as it still shows a difference: fewer outputs, and inputs in place of what computes them.
Trial shrunk(const Trial& trial);

}  // namespace slipway::differential

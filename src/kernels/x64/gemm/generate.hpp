// Generation of the microkernel's program.
#pragma once

#include "kernels/x64/gemm/microkernel.hpp"
#include "kernels/x64/jit/program.hpp"

namespace slipway::gemm {

/// Precondition: the spec was checked. `staged`: sums go to C first and the tail runs over C in a loop, for tails that need more
/// registers than the sums leave. The program refers to spec.c_rows.displacements, which must outlive the compiled code.
jit::Program generate(const MicrokernelSpec& spec, bool staged);

}  // namespace slipway::gemm

// The steps of an EltwiseProgram as vector code.
#pragma once

#include <span>

#include "kernels/x64/eltwise/program.hpp"
#include "kernels/x64/jit/program.hpp"

namespace slipway::eltwise {

/// Emits all steps on one vector and returns the result; `operands` holds operand i as a register or (for a second source) as
/// memory. Precondition: program.valid(), operands.size() == program.operands.size().
jit::Vec emit_steps(jit::Program& p, const EltwiseProgram& program, std::span<const jit::Operand> operands);

}  // namespace slipway::eltwise

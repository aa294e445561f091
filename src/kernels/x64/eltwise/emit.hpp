// The steps of an EltwiseProgram as vector code.
#pragma once

#include <span>

#include "kernels/x64/eltwise/program.hpp"
#include "kernels/x64/jit/program.hpp"

namespace slipway::eltwise {

/// Emits all steps on one vector of `lanes` and returns the result; operands[i] is operand i in a register or in memory
/// (broadcast memory on AVX-512 only). Precondition: program.valid(), operands.size() == program.operands.size().
jit::Vec emit_steps(jit::Program& p, const EltwiseProgram& program, std::span<const jit::Operand> operands, int lanes);

/// bfloat16 patterns of fp32 lanes, in the low 16 bits: nearest even, denormals kept, a NaN stays one.
jit::Vec emit_bf16_bits(jit::Program& p, jit::Vec x);

}  // namespace slipway::eltwise

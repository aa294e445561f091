// Rows of 16-bit floats as fp32 and back.
#pragma once

#include <cstdint>

#include "base/cpu.hpp"
#include "base/element_type.hpp"

namespace slipway::convert {

/// `n` elements of a 16-bit float type as fp32, exactly.
using Widen = void (*)(const void* from, float* to, int64_t n);
/// The other way, rounded to nearest even; a NaN stays one, denormals are kept.
using Narrow = void (*)(const float* from, void* to, int64_t n);

/// Precondition: type is f16 or bf16, isa >= Isa::avx2.
Widen widen(ElementType type, Isa isa);
Narrow narrow(ElementType type, Isa isa);

}  // namespace slipway::convert

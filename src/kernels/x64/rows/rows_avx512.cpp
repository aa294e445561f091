// GCC 12 takes the undefined operands within its own intrinsics for uninitialised variables.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include "kernels/x64/rows/lanes_avx512.hpp"
#include "kernels/x64/rows/rows_body.inc"

namespace slipway::rows {

const Functions kAvx512 = kFunctions;

}  // namespace slipway::rows

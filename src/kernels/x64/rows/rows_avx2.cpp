#include "kernels/x64/rows/lanes_avx2.hpp"
#include "kernels/x64/rows/rows_body.inc"

namespace slipway::rows {

const Functions kAvx2 = kFunctions;

const Functions& functions(Isa isa) {
  return isa >= Isa::avx512 ? kAvx512 : kAvx2;
}

}  // namespace slipway::rows

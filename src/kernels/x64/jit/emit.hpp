// Encoding of an allocated Program into machine bytes (position-independent, constants before the entry).
#pragma once

#include <cstdint>
#include <memory>

#include "base/error.hpp"
#include "kernels/x64/jit/allocate.hpp"

namespace slipway::jit {

struct Encoded {
  std::unique_ptr<uint8_t[]> bytes;
  size_t size = 0;
  size_t entry = 0;
};

Result<Encoded> emit(const Program& program, const Allocation& allocation);

}  // namespace slipway::jit

// Register allocation: live intervals over a Program (loops extend them) and linear scan; the cheapest interval is spilled.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/x64/jit/program.hpp"

namespace slipway::jit {

/// Register files of one ISA family; AVX2 keeps masks in vector registers.
enum class File : uint8_t { vec, gpr, mask };
constexpr int kFiles = 3;

struct Allocation {
  /// Physical register of each virtual register; -1 when it lives on the stack or is never used.
  std::vector<int8_t> reg;
  /// Byte offset of its stack slot, or -1.
  std::vector<int32_t> slot;
  int spills = 0;
  int32_t stack_bytes = 0;
  /// Registers kept free to carry spilled values through one operation; a file without spills has none.
  std::array<std::vector<int8_t>, kFiles> scratch;
  /// Bit per general register that is written.
  uint32_t gprs_used = 0;
};

File file_of(RegClass cls, bool avx512);
/// Fields of `inst` that are read, as virtual registers; -1 where absent. The destination counts when it is updated in place.
std::array<int32_t, 6> reads(const Inst& inst);
Allocation allocate(const Program& program);

}  // namespace slipway::jit

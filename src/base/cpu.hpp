// What the CPU can do, capped by the user: one total order of ISA words used by --isa and SLIPWAY_MAX_ISA.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

/// Each level includes those before it. avx2 means AVX2 + FMA + F16C; avx512 means F, BW, CD, DQ and VL.
enum class Isa : uint8_t { portable, avx2, avx512, avx512_vnni, avx512_bf16 };

std::string_view name(Isa isa);
std::optional<Isa> parse_isa(std::string_view word);

/// The best level that the CPU and the operating system support, capped by the knob SLIPWAY_MAX_ISA.
Isa detected_isa();

struct CpuInfo {
  std::string model;          ///< as the kernel reports it, such as "AMD EPYC"
  int64_t l1d_bytes = 32768;  ///< per core
  int64_t l2_bytes = 1 << 20;
  int64_t l3_bytes = 0;  ///< shared; 0 when there is none
};
/// Read once, cached.
const CpuInfo& cpu_info();

}  // namespace slipway

#include "base/cpu.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/knobs.hpp"
#include "base/log.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace slipway {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"portable", "avx2", "avx512", "avx512_vnni", "avx512_bf16"};

#if defined(__x86_64__)

struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

/// All zero when the CPU has no such leaf.
Registers cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  Registers r;
  if (__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return {};
  return r;
}

constexpr bool has(uint32_t word, std::initializer_list<int> bits) {
  return std::all_of(bits.begin(), bits.end(), [&](int b) { return ((word >> b) & 1) != 0; });
}

/// The register state that the operating system saves (XCR0). Precondition: OSXSAVE.
uint32_t saved_state() {
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

Isa hardware_isa() {
  const Registers leaf1 = cpuid(1), leaf7 = cpuid(7), leaf7_1 = leaf7.eax >= 1 ? cpuid(7, 1) : Registers{};
  constexpr int kFma = 12, kOsxsave = 27, kAvx = 28, kF16c = 29;
  if (!has(leaf1.ecx, {kFma, kOsxsave, kAvx, kF16c})) return Isa::portable;
  const uint32_t state = saved_state();
  constexpr int kXmm = 1, kYmm = 2, kOpmask = 5, kZmmLow = 6, kZmmHigh = 7, kAvx2 = 5;
  if (!has(state, {kXmm, kYmm}) || !has(leaf7.ebx, {kAvx2})) return Isa::portable;
  constexpr int kF = 16, kDq = 17, kCd = 28, kBw = 30, kVl = 31;
  if (!has(state, {kOpmask, kZmmLow, kZmmHigh}) || !has(leaf7.ebx, {kF, kDq, kCd, kBw, kVl})) return Isa::avx2;
  constexpr int kVnni = 11, kBf16 = 5;
  if (!has(leaf7.ecx, {kVnni})) return Isa::avx512;
  return has(leaf7_1.eax, {kBf16}) ? Isa::avx512_bf16 : Isa::avx512_vnni;
}

/// Walks the deterministic cache leaf (4 on Intel, 0x8000001D on AMD; same layout). False when it says nothing.
bool read_caches(uint32_t leaf, CpuInfo& info) {
  constexpr uint32_t kData = 1, kUnified = 3, kMaxCaches = 16;
  bool found = false;
  for (uint32_t i = 0; i < kMaxCaches; ++i) {
    const Registers r = cpuid(leaf, i);
    const uint32_t type = r.eax & 31, level = (r.eax >> 5) & 7;
    if (type == 0) break;
    if (type != kData && type != kUnified) continue;
    const int64_t ways = (r.ebx >> 22) + 1, partitions = ((r.ebx >> 12) & 0x3ff) + 1, line = (r.ebx & 0xfff) + 1;
    const int64_t bytes = ways * partitions * line * (static_cast<int64_t>(r.ecx) + 1);
    found = true;
    if (level == 1) info.l1d_bytes = bytes;
    if (level == 2) info.l2_bytes = bytes;
    if (level == 3) info.l3_bytes = bytes;
  }
  return found;
}

CpuInfo read_cpu() {
  CpuInfo info;
  std::array<char, 49> brand{};
  for (uint32_t i = 0; i < 3; ++i) {
    const Registers r = cpuid(0x80000002 + i);
    std::memcpy(brand.data() + 16 * i, &r, 16);
  }
  std::string_view text(brand.data());
  const size_t first = text.find_first_not_of(' '), last = text.find_last_not_of(' ');
  if (first != std::string_view::npos) info.model = text.substr(first, last - first + 1);
  if (info.model.empty()) info.model = "x86-64";
  constexpr int kAmdTopologyExtensions = 22;
  const bool amd_leaf = has(cpuid(0x80000001).ecx, {kAmdTopologyExtensions});
  if (!amd_leaf || !read_caches(0x8000001d, info)) read_caches(4, info);
  return info;
}

#else

Isa hardware_isa() {
  return Isa::portable;
}
CpuInfo read_cpu() {
  return {};
}

#endif

Isa read_isa() {
  const Isa hardware = hardware_isa();
  const std::string_view word = knobs::kMaxIsa.get();
  if (word.empty()) return hardware;
  const std::optional<Isa> cap = parse_isa(word);
  if (!cap) log(LogLevel::warning, "{}='{}' names no instruction set; using {}", knobs::kMaxIsa.name, word, name(hardware));
  return std::min(hardware, cap.value_or(hardware));
}

}  // namespace

std::string_view name(Isa isa) {
  return kNames[static_cast<size_t>(isa)];
}

std::optional<Isa> parse_isa(std::string_view word) {
  const auto at = std::find(kNames.begin(), kNames.end(), word);
  if (at == kNames.end()) return std::nullopt;
  return static_cast<Isa>(at - kNames.begin());
}

Isa detected_isa() {
  static const Isa isa = read_isa();
  return isa;
}

const CpuInfo& cpu_info() {
  static const CpuInfo info = read_cpu();
  return info;
}

}  // namespace slipway

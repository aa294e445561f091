// The one place that reads the environment. Each knob is declared once, here, with its name, type, default and doc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

/// One environment variable. T is bool ("0"/"1", "off"/"on"), int64_t (within [least, most]) or std::string_view (any word).
template <class T>
struct Knob {
  std::string_view name;
  T fallback{};
  std::string_view doc;
  int64_t least = INT64_MIN, most = INT64_MAX;  ///< integers only

  /// The environment's value, or the fallback when it is unset, empty or not of this type (such is logged once as a warning).
  /// Reads the environment at each call: keep the answer where it matters. A string stays valid until the variable is changed.
  T get() const;
};

namespace knobs {
inline constexpr Knob<std::string_view> kMaxIsa{
    "SLIPWAY_MAX_ISA", "",
    "highest instruction set to use: portable, avx2, avx512, avx512_vnni or avx512_bf16; empty: what the CPU has"};
inline constexpr Knob<int64_t> kThreads{
    "SLIPWAY_THREADS", 0, "compute threads of a process; 0: the CPUs that affinity mask and cgroup quota allow", 0, 1024};
inline constexpr Knob<int64_t> kSpinUs{
    "SLIPWAY_SPIN_US", 200, "microseconds that a pool worker spins for its next share of a running inference before it sleeps", 0,
    100000};
inline constexpr Knob<bool> kHugePages{"SLIPWAY_HUGE_PAGES", true, "ask the kernel for 2 MiB pages under weights and arenas"};
inline constexpr Knob<bool> kPerfMap{"SLIPWAY_PERF_MAP", false, "write /tmp/perf-PID.map so that perf can name jitted kernels"};
inline constexpr Knob<bool> kJit{"SLIPWAY_JIT", true, "generate machine code; off: the portable kernels serve"};
}  // namespace knobs

/// A knob as text, for listings.
struct KnobEntry {
  std::string_view name, type, doc;
  std::string fallback, value;
  bool from_environment = false;  ///< set, and of the right type
};
/// Every knob in order of declaration.
std::vector<KnobEntry> list_knobs();

}  // namespace slipway

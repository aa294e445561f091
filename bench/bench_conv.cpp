// Every tactic that takes a convolution, timed beside each other and beside its own estimate, the weights out of cache:
//   bench_conv [--isa ISA] [--threads N] [--only TACTIC] CxHxW-OUT[kK][sS]...      such as 64x56x56-64k3
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kernel_case.hpp"
#include "ops/conv.hpp"
#include "ops/sample.hpp"

namespace {

using namespace slipway;
using Clock = std::chrono::steady_clock;

struct Shape {
  int64_t c = 0, h = 0, w = 0, out = 0, k = 3, stride = 1;
};

bool parse(const char* text, Shape& s) {
  int end = 0;
  if (std::sscanf(text, "%ldx%ldx%ld-%ld%n", &s.c, &s.h, &s.w, &s.out, &end) < 4) return false;
  for (const char* at = text + end; *at != 0;) {
    char* next = nullptr;
    const long value = std::strtol(at + 1, &next, 10);
    if (value < 1 || next == at + 1) return false;
    (*at == 'k' ? s.k : s.stride) = value;
    at = next;
  }
  return s.c > 0 && s.h > 0 && s.w > 0 && s.out > 0;
}

/// Reads memory beyond the last cache, so that nothing of the kernel stays there.
double flush() {
  static std::vector<double> much(static_cast<size_t>(cpu_info().l3_bytes + (8 << 20)) / sizeof(double), 1.0);
  double sum = 0;
  for (size_t i = 0; i < much.size(); i += 8) sum += much[i];
  return sum;
}

double median_us(bench::KernelCase& kernel, bool cold) {
  std::vector<double> times;
  double kept = 0;
  const auto begin = Clock::now();
  while (times.size() < 7 || std::chrono::duration<double>(Clock::now() - begin).count() < 0.3) {
    if (cold) kept += flush();
    const auto from = Clock::now();
    kernel.run();
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - from).count());
  }
  std::nth_element(times.begin(), times.begin() + static_cast<ptrdiff_t>(times.size() / 5), times.end());
  return kept < 0 ? 0 : times[times.size() / 5];
}

}  // namespace

int main(int argc, char** argv) {
  Isa isa = std::min(detected_isa(), Isa::avx512);
  int threads = 1;
  std::string only;
  std::vector<std::pair<std::string, Shape>> shapes;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool more = i + 1 < argc;
    Shape s;
    if (word == "--isa" && more) {
      isa = parse_isa(argv[++i]).value_or(isa);
    } else if (word == "--threads" && more) {
      threads = std::max(1, std::atoi(argv[++i]));
    } else if (word == "--only" && more) {
      only = argv[++i];
    } else if (parse(argv[i], s)) {
      shapes.emplace_back(word, s);
    } else {
      shapes.clear();
      break;
    }
  }
  if (shapes.empty()) {
    std::fprintf(stderr, "usage: bench_conv [--isa ISA] [--threads N] [--only TACTIC] CxHxW-OUT[kK][sS]...\n");
    return 2;
  }
  std::printf("%-22s %-20s %10s %10s %10s %8s   %s\n", "layer", "tactic", "cold us", "warm us", "estimate", "GFLOP/s", "");
  for (const auto& [text, s] : shapes) {
    for (const tactic::Tactic& tactic : kernels::all()) {
      if (tactic.isa > isa || tactic.name == "ref" || (!only.empty() && tactic.name != only)) continue;
      if (std::find(tactic.ops.begin(), tactic.ops.end(), "Conv") == tactic.ops.end()) continue;
      ops::ConvAttrs attrs;
      attrs.strides = {s.stride, s.stride};
      attrs.pads = {s.k / 2, s.k / 2, s.k / 2, s.k / 2};
      using ops::sample::random;
      const auto f32 = ElementType::f32;
      auto made = bench::KernelCase::make("Conv", ir::Attrs(attrs),
                                          {{random(f32, {1, s.c, s.h, s.w})},
                                           {random(f32, {s.out, s.c, s.k, s.k}, -1, 1, 2), true},
                                           {random(f32, {s.out}, -1, 1, 3), true}},
                                          isa, threads, tactic::Format::blocked16, tactic.name);
      if (!made) continue;
      bench::KernelCase& kernel = **made;
      kernel.run();
      const double cold = median_us(kernel, true), warm = median_us(kernel, false);
      const double flops = 2.0 * static_cast<double>(kernel.output_dims().count() * s.c * s.k * s.k);
      std::printf("%-22s %-20s %10.1f %10.1f %10.1f %8.1f   %s\n", text.c_str(), std::string(tactic.name).c_str(), cold, warm,
                  kernel.cost_us(), flops / cold / 1e3, kernel.describe().c_str());
    }
  }
  return 0;
}

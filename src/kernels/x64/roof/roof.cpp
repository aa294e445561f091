#include "kernels/x64/roof/roof.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>

#include "base/pages.hpp"
#include "kernels/x64/jit/code.hpp"

namespace slipway::roof {
namespace {

using Clock = std::chrono::steady_clock;

struct LoopArgs {
  const void* from;
  void* to;
  int64_t count;
};

constexpr int64_t kBlockBytes = 512;  // of one turn of a stream loop

/// `count` rounds of independent chains, enough to hide the latency: 12 or 24 accumulators.
Result<jit::Code> peak_loop(Isa isa, Peak peak, int& operations) {
  jit::Program p(isa, "peak");
  const int chains = p.avx512() ? 24 : 12;
  const jit::Gpr left = p.load64(jit::mem(p.args(), 16));
  const jit::Vec x = p.constant(1.0F), y = p.constant(0.0F);
  std::vector<jit::Vec> sums;
  for (int i = 0; i < chains; ++i) sums.push_back(p.zero());
  const jit::Label top = p.label();
  p.bind(top);
  constexpr int kUnroll = 4;
  for (int repeat = 0; repeat < kUnroll; ++repeat) {
    for (const jit::Vec sum : sums) {
      switch (peak) {
        case Peak::fma:
          p.fmadd231(sum, x, y);
          break;
        case Peak::bf16_dot:
          p.dot_bf16(sum, x, y);
          break;
        case Peak::u8s8_dot:
          p.dot_u8s8(sum, x, y);
          break;
      }
    }
  }
  p.sub(left, 1);
  p.jump_if(left, jit::Cond::gt, 0, top);
  const int per_lane = peak == Peak::fma ? 2 : peak == Peak::bf16_dot ? 4 : 8;
  operations = kUnroll * chains * p.lanes() * per_lane;
  return jit::compile(p);
}

/// Reads (adds up) or copies `count` blocks.
Result<jit::Code> stream_loop(Isa isa, Stream stream) {
  const bool copy = stream == Stream::copy;
  jit::Program p(isa, copy ? "copy" : "read");
  const jit::Gpr from = p.load64(jit::mem(p.args(), 0)), to = p.load64(jit::mem(p.args(), 8));
  const jit::Gpr left = p.load64(jit::mem(p.args(), 16));
  const int bytes = p.lanes() * 4;
  std::vector<jit::Vec> sums;
  for (int i = 0; i < 4; ++i) sums.push_back(p.zero());
  const jit::Label top = p.label();
  p.bind(top);
  for (int at = 0; at < kBlockBytes; at += bytes) {
    if (copy) {
      p.store(jit::mem(to, at), p.load(jit::mem(from, at)));
    } else {
      const jit::Vec sum = sums[static_cast<size_t>(at / bytes % 4)];
      p.add(sum, jit::Operand::memory(jit::mem(from, at)), sum);
    }
  }
  p.add(from, kBlockBytes);
  if (copy) p.add(to, kBlockBytes);
  p.sub(left, 1);
  p.jump_if(left, jit::Cond::gt, 0, top);
  return jit::compile(p);
}

/// Best rate over several goes of `work(thread)` on all threads, which does `units` in all.
template <class Work>
double best_rate(Team& team, double units, double seconds, Work work) {
  double best = 0;
  auto task = [&](int thread, int) { work(thread); };
  const auto begin = Clock::now();
  do {
    const auto from = Clock::now();
    team.run(task);
    best = std::max(best, units / std::chrono::duration<double>(Clock::now() - from).count());
  } while (std::chrono::duration<double>(Clock::now() - begin).count() < seconds);
  return best;
}

Isa needed(Peak peak) {
  switch (peak) {
    case Peak::fma:
      return Isa::avx2;
    case Peak::bf16_dot:
      return Isa::avx512_bf16;
    case Peak::u8s8_dot:
      return Isa::avx512_vnni;
  }
  return Isa::avx2;
}

}  // namespace

double peak_rate(Team& team, Isa isa, Peak peak, double seconds) {
  if (isa > detected_isa() || isa < needed(peak)) return 0;
  int operations = 0;
  const auto code = peak_loop(isa, peak, operations);
  if (!code) return 0;
  constexpr int64_t kRounds = 20000;
  const LoopArgs args{nullptr, nullptr, kRounds};
  return best_rate(team, double(kRounds) * operations * team.size(), seconds, [&](int) { (*code)(&args); });
}

double stream_rate(Team& team, Isa isa, size_t bytes, Stream stream, double seconds) {
  bytes = bytes / kBlockBytes * kBlockBytes;
  if (isa < Isa::avx2 || bytes == 0) return 0;
  const auto code = stream_loop(std::min(isa, Isa::avx512), stream);
  if (!code) return 0;
  std::vector<std::shared_ptr<void>> from, to;
  for (int i = 0; i < team.size(); ++i) {
    for (auto* buffers : {&from, &to}) {
      buffers->push_back(allocate_pages(bytes));
      if (buffers->back() == nullptr) return 0;
      std::memset(buffers->back().get(), 0, bytes);
    }
  }
  constexpr size_t kBytesOfOneGo = size_t{8} << 20;
  const auto repeats = static_cast<int64_t>(std::max<size_t>(1, kBytesOfOneGo / bytes));
  const double moved = static_cast<double>(bytes) * static_cast<double>(repeats) * (stream == Stream::copy ? 2 : 1) * team.size();
  return best_rate(team, moved, seconds, [&](int thread) {
    const auto t = static_cast<size_t>(thread);
    const LoopArgs args{from[t].get(), to[t].get(), static_cast<int64_t>(bytes) / kBlockBytes};
    for (int64_t i = 0; i < repeats; ++i) (*code)(&args);
  });
}

const Level& Roof::holding(double bytes) const {
  for (const Level& level : levels) {
    if (bytes <= static_cast<double>(level.bytes)) return level;
  }
  return levels.back();
}

Roof measure(Team& team, Isa isa) {
  constexpr double kSeconds = 0.03;
  Roof roof;
  roof.threads = team.size();
  roof.flops_per_us = peak_rate(team, std::min(isa, Isa::avx512), Peak::fma, kSeconds) / 1e6;
  const CpuInfo& cpu = cpu_info();
  const auto threads = static_cast<size_t>(team.size());
  const auto add = [&](const char* name, size_t holds, size_t read, size_t copy) {
    const double rate =
        std::max(stream_rate(team, isa, read, Stream::read, kSeconds), stream_rate(team, isa, copy, Stream::copy, kSeconds));
    if (rate > 0) roof.levels.push_back({name, holds, rate / 1e6});
  };
  const auto l1 = static_cast<size_t>(cpu.l1d_bytes), l2 = static_cast<size_t>(cpu.l2_bytes);
  const auto l3 = static_cast<size_t>(cpu.l3_bytes);
  add("L1", l1 * threads, l1 / 2, l1 / 4);
  add("L2", l2 * threads, l2 / 2, l2 / 4);
  if (l3 > 0) add("L3", l3, l3 / 8, l3 / 8);
  constexpr size_t kBeyondCaches = size_t{64} << 20;
  const size_t beyond = std::max(kBeyondCaches, 2 * l3) / threads;
  add("memory", std::numeric_limits<size_t>::max(), beyond, beyond);
  return roof;
}

}  // namespace slipway::roof

// The machine's own roofs: multiply-add, bf16 dot and u8s8 dot peaks from jitted register-only loops, and read and copy bandwidth
// of each cache level and memory; one core and all.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "base/cpu.hpp"
#include "base/pages.hpp"
#include "base/thread_pool.hpp"
#include "kernels/x64/jit/code.hpp"

namespace {

using namespace slipway;
using Clock = std::chrono::steady_clock;

constexpr double kSeconds = 0.15;  // of one measurement; the best of several counts

struct LoopArgs {
  const void* from;
  void* to;
  int64_t count;
};

enum class Peak { fma, bf16_dot, u8s8_dot };

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
  for (int repeat = 0; repeat < 4; ++repeat) {
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
  operations = 4 * chains * p.lanes() * per_lane;
  return jit::compile(p);
}

/// Reads (adds up) or copies `count` blocks of 512 bytes.
Result<jit::Code> stream_loop(Isa isa, bool copy) {
  jit::Program p(isa, copy ? "copy" : "read");
  const jit::Gpr from = p.load64(jit::mem(p.args(), 0)), to = p.load64(jit::mem(p.args(), 8));
  const jit::Gpr left = p.load64(jit::mem(p.args(), 16));
  const int bytes = p.lanes() * 4;
  std::vector<jit::Vec> sums;
  for (int i = 0; i < 4; ++i) sums.push_back(p.zero());
  const jit::Label top = p.label();
  p.bind(top);
  for (int at = 0; at < 512; at += bytes) {
    if (copy) {
      p.store(jit::mem(to, at), p.load(jit::mem(from, at)));
    } else {
      const jit::Vec sum = sums[static_cast<size_t>(at / bytes % 4)];
      p.add(sum, jit::Operand::memory(jit::mem(from, at)), sum);
    }
  }
  p.add(from, 512);
  if (copy) p.add(to, 512);
  p.sub(left, 1);
  p.jump_if(left, jit::Cond::gt, 0, top);
  return jit::compile(p);
}

/// Best rate over several goes of `work(thread)` on all threads, which does `units` in all.
double best_rate(Team& team, double units, const std::function<void(int)>& work) {
  double best = 0;
  auto task = [&](int thread, int) { work(thread); };
  const auto begin = Clock::now();
  do {
    const auto from = Clock::now();
    team.run(task);
    const double seconds = std::chrono::duration<double>(Clock::now() - from).count();
    best = std::max(best, units / seconds);
  } while (std::chrono::duration<double>(Clock::now() - begin).count() < kSeconds);
  return best;
}

struct Row {
  std::string name, unit;
  double one = 0, all = 0;
};

void measure_peak(std::vector<Row>& rows, const char* name, Isa isa, Peak peak) {
  if (isa > detected_isa()) return;
  int operations = 0;
  const auto code = peak_loop(isa, peak, operations);
  if (!code) {
    std::fprintf(stderr, "%s\n", code.error().text().c_str());
    return;
  }
  Row row{name, "Gop/s"};
  for (const bool all : {false, true}) {
    Team team(all ? available_cpus() : 1);
    constexpr int64_t kRounds = 20000;
    const LoopArgs args{nullptr, nullptr, kRounds};
    const double rate = best_rate(team, double(kRounds) * operations * team.size(), [&](int) { (*code)(&args); }) / 1e9;
    (all ? row.all : row.one) = rate;
  }
  rows.push_back(row);
}

void measure_stream(std::vector<Row>& rows, const std::string& level, size_t bytes, Isa isa, bool copy) {
  const auto code = stream_loop(isa, copy);
  if (!code) return;
  Row row{level + (copy ? " copy" : " read"), "GB/s"};
  bytes = bytes / 512 * 512;
  for (const bool all : {false, true}) {
    Team team(all ? available_cpus() : 1);
    std::vector<std::shared_ptr<void>> from, to;
    for (int i = 0; i < team.size(); ++i) {
      from.push_back(allocate_pages(bytes));
      to.push_back(allocate_pages(bytes));
      std::memset(from.back().get(), 0, bytes);
      std::memset(to.back().get(), 0, bytes);
    }
    const int64_t repeats = std::max<int64_t>(1, (int64_t{8} << 20) / static_cast<int64_t>(bytes));
    const double moved = double(bytes) * static_cast<double>(repeats) * (copy ? 2 : 1) * team.size();
    const double rate = best_rate(team, moved, [&](int thread) {
      const auto t = static_cast<size_t>(thread);
      const LoopArgs args{from[t].get(), to[t].get(), static_cast<int64_t>(bytes / 512)};
      for (int64_t i = 0; i < repeats; ++i) (*code)(&args);
    });
    (all ? row.all : row.one) = rate / 1e9;
  }
  rows.push_back(row);
}

void print_text(const std::vector<Row>& rows) {
  std::printf("%s, %s, %d CPU%s\n%-18s %12s %12s\n", cpu_info().model.c_str(), std::string(name(detected_isa())).c_str(),
              available_cpus(), available_cpus() == 1 ? "" : "s", "", "one core", "all");
  for (const Row& row : rows) std::printf("%-18s %12.1f %12.1f %s\n", row.name.c_str(), row.one, row.all, row.unit.c_str());
}

void print_json(const std::vector<Row>& rows) {
  std::string out =
      fmt::format("{{\"cpu\": \"{}\", \"isa\": \"{}\", \"cpus\": {}", cpu_info().model, name(detected_isa()), available_cpus());
  for (const Row& row : rows) {
    out += fmt::format(", \"{}\": {{\"unit\": \"{}\", \"one\": {:.2f}, \"all\": {:.2f}}}", row.name, row.unit, row.one, row.all);
  }
  std::printf("%s}\n", out.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const bool json = argc == 2 && std::strcmp(argv[1], "--json") == 0;
  if (argc > 1 && !json) {
    std::fprintf(stderr, "usage: bench_roof [--json]\n");
    return 2;
  }
  if (detected_isa() < Isa::avx2) {
    std::fprintf(stderr, "bench_roof measures jitted loops and needs AVX2\n");
    return 1;
  }
  std::vector<Row> rows;
  measure_peak(rows, "fma avx2", Isa::avx2, Peak::fma);
  measure_peak(rows, "fma avx512", Isa::avx512, Peak::fma);
  measure_peak(rows, "u8s8 dot", Isa::avx512_vnni, Peak::u8s8_dot);
  measure_peak(rows, "bf16 dot", Isa::avx512_bf16, Peak::bf16_dot);
  const Isa isa = std::min(detected_isa(), Isa::avx512);
  const CpuInfo& cpu = cpu_info();
  for (const bool copy : {false, true}) {
    measure_stream(rows, "L1", static_cast<size_t>(cpu.l1d_bytes) / (copy ? 4 : 2), isa, copy);
    measure_stream(rows, "L2", static_cast<size_t>(cpu.l2_bytes) / (copy ? 4 : 2), isa, copy);
    if (cpu.l3_bytes > 0) measure_stream(rows, "L3", static_cast<size_t>(cpu.l3_bytes) / 8, isa, copy);
    measure_stream(rows, "memory", size_t{256} << 20, isa, copy);
  }
  json ? print_json(rows) : print_text(rows);
  return 0;
}

// GFLOP/s of the fp32 GEMM and its share of the measured multiply-add peak: bench_gemm [isa] [threads] [MxNxK]...
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "base/pages.hpp"
#include "kernels/x64/gemm/gemm.hpp"

namespace {

using namespace slipway;
using Clock = std::chrono::steady_clock;

struct Shape {
  int64_t m, n, k;
};

double seconds_since(Clock::time_point from) {
  return std::chrono::duration<double>(Clock::now() - from).count();
}

/// One thread is timed by its own CPU time, which other programs disturb less.
double stopwatch(int threads) {
  timespec t{};
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Multiply-adds from registers alone on one core, in GFLOP/s.
double measure_peak(Isa isa) {
  jit::Program p(isa, "peak");
  const int chains = p.avx512() ? 24 : 12;
  const jit::Gpr left = p.number(1 << 18);
  const jit::Vec x = p.constant(1.0F);
  std::vector<jit::Vec> sums;
  for (int i = 0; i < chains; ++i) sums.push_back(p.zero());
  const jit::Label top = p.label();
  p.bind(top);
  for (const jit::Vec sum : sums) p.fmadd231(sum, x, x);
  p.sub(left, 1);
  p.jump_if(left, jit::Cond::gt, 0, top);
  const auto code = jit::compile(p);
  if (!code) return 0;
  double best = 1e9;
  for (int i = 0; i < 30; ++i) {
    const double from = stopwatch(1);
    (*code)(nullptr);
    best = std::min(best, stopwatch(1) - from);
  }
  return 2.0 * (1 << 18) * chains * p.lanes() / best / 1e9;
}

/// Best rate of repeated runs.
double measure(Isa isa, const Shape& s, int threads, std::string& how) {
  gemm::GemmSpec spec;
  spec.isa = isa;
  spec.m = s.m;
  spec.n = s.n;
  spec.k = s.k;
  spec.lda = s.k;
  auto made = gemm::Gemm::make(spec);
  if (!made) {
    std::fprintf(stderr, "%s\n", made.error().text().c_str());
    std::exit(1);
  }
  how = made->describe();
  const gemm::PackShape shape = gemm::PackShape::make(isa, s.k, s.n);
  const auto pages = [](int64_t floats) { return allocate_pages(static_cast<size_t>(floats) * 4); };
  const auto a = pages(s.m * s.k), b = pages(s.k * s.n), packed = pages(shape.elements()), c = pages(s.m * s.n);
  for (int64_t i = 0; i < s.m * s.k; ++i) static_cast<float*>(a.get())[i] = static_cast<float>(i % 7);
  for (int64_t i = 0; i < s.k * s.n; ++i) static_cast<float*>(b.get())[i] = static_cast<float>(i % 5);
  gemm::pack_b(shape, static_cast<const float*>(b.get()), s.n, static_cast<float*>(packed.get()));
  gemm::GemmArgs args;
  args.a = static_cast<const float*>(a.get());
  args.lda = s.k;
  args.b = static_cast<const float*>(packed.get());
  args.c = static_cast<float*>(c.get());
  args.ldc = s.n;
  Team team(threads);
  double best = 0;
  const auto begin = Clock::now();
  for (int runs = 0; seconds_since(begin) < 0.4 || runs < 5; ++runs) {
    const double from = stopwatch(threads);
    made->run(args, team);
    best = std::max(best, 2.0 * static_cast<double>(s.m * s.n * s.k) / (stopwatch(threads) - from) / 1e9);
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const Isa isa = argc > 1 ? parse_isa(argv[1]).value_or(Isa::portable) : std::min(detected_isa(), Isa::avx512);
  const int threads = argc > 2 ? std::max(1, std::atoi(argv[2])) : 1;
  if (isa < Isa::avx2 || isa > detected_isa()) {
    std::fprintf(stderr, "usage: bench_gemm [avx2|avx512] [threads] [MxNxK]...\n");
    return 2;
  }
  std::vector<Shape> shapes;
  for (int i = 3; i < argc; ++i) {
    Shape s{};
    if (std::sscanf(argv[i], "%ldx%ldx%ld", &s.m, &s.n, &s.k) == 3 && s.m > 0 && s.n > 0 && s.k > 0) shapes.push_back(s);
  }
  if (shapes.empty()) {
    shapes = {{256, 256, 256},  {512, 512, 512},  {1024, 1024, 1024}, {2048, 2048, 2048}, {197, 768, 768},
              {197, 3072, 768}, {197, 768, 3072}, {128, 1536, 384},   {3136, 64, 256},    {784, 128, 1152},
              {1, 1000, 2048},  {1, 4096, 4096},  {4, 4096, 4096},    {16, 1024, 1024},   {100, 24, 144}};
  }
  const double peak = measure_peak(isa) * threads;
  std::printf("%s, %d thread%s, peak %.1f GFLOP/s\n", std::string(name(isa)).c_str(), threads, threads == 1 ? "" : "s", peak);
  for (const Shape& s : shapes) {
    std::string how;
    const double rate = measure(isa, s, threads, how);
    const std::string shape = std::to_string(s.m) + "x" + std::to_string(s.n) + "x" + std::to_string(s.k);
    std::printf("%-16s %8.1f GFLOP/s %6.1f %%   %s\n", shape.c_str(), rate, 100 * rate / peak, how.c_str());
  }
  return 0;
}

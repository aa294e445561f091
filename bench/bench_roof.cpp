// The machine's own roofs: multiply-add, bf16 dot and u8s8 dot peaks from jitted register-only loops, and read and copy bandwidth
// of each cache level and memory; one core and all.
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "base/cpu.hpp"
#include "base/thread_pool.hpp"
#include "kernels/x64/roof/roof.hpp"

namespace {

using namespace slipway;

constexpr double kSeconds = 0.15;  // of one measurement; the best of several counts

struct Row {
  std::string name, unit;
  double one = 0, all = 0;
};

void measure_peak(std::vector<Row>& rows, const char* name, Isa isa, roof::Peak peak) {
  if (isa > detected_isa()) return;
  Row row{name, "Gop/s"};
  for (const bool all : {false, true}) {
    Team team(all ? available_cpus() : 1);
    (all ? row.all : row.one) = roof::peak_rate(team, isa, peak, kSeconds) / 1e9;
  }
  rows.push_back(row);
}

void measure_stream(std::vector<Row>& rows, const std::string& level, int64_t bytes, roof::Stream stream) {
  Row row{level + (stream == roof::Stream::copy ? " copy" : " read"), "GB/s"};
  for (const bool all : {false, true}) {
    Team team(all ? available_cpus() : 1);
    (all ? row.all : row.one) = roof::stream_rate(team, detected_isa(), static_cast<size_t>(bytes), stream, kSeconds) / 1e9;
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
  using roof::Peak;
  using roof::Stream;
  measure_peak(rows, "fma avx2", Isa::avx2, Peak::fma);
  measure_peak(rows, "fma avx512", Isa::avx512, Peak::fma);
  measure_peak(rows, "u8s8 dot", Isa::avx512_vnni, Peak::u8s8_dot);
  measure_peak(rows, "bf16 dot", Isa::avx512_bf16, Peak::bf16_dot);
  const CpuInfo& cpu = cpu_info();
  for (const Stream stream : {Stream::read, Stream::copy}) {
    const int part = stream == Stream::copy ? 4 : 2;
    measure_stream(rows, "L1", cpu.l1d_bytes / part, stream);
    measure_stream(rows, "L2", cpu.l2_bytes / part, stream);
    if (cpu.l3_bytes > 0) measure_stream(rows, "L3", cpu.l3_bytes / 8, stream);
    measure_stream(rows, "memory", int64_t{256} << 20, stream);
  }
  json ? print_json(rows) : print_text(rows);
  return 0;
}

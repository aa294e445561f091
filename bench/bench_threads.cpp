// Fork-join latency of a Team: back to back and after gaps, as layers of a network and requests of a server come.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "base/thread_pool.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using Nanoseconds = std::chrono::duration<double, std::nano>;

void spin_for(std::chrono::nanoseconds time) {
  const auto end = Clock::now() + time;
  while (Clock::now() < end) {
  }
}

/// Microseconds of each of `runs` fork-joins whose shares take `work`, with `gap` before each; sleeping when it is long.
std::vector<double> measure(slipway::Team& team, int runs, std::chrono::nanoseconds gap, std::chrono::nanoseconds work) {
  std::vector<double> times;
  auto task = [&](int, int) {
    if (work.count() != 0) spin_for(work);
  };
  for (int i = 0; i < runs; ++i) {
    if (gap >= std::chrono::milliseconds(1)) {
      std::this_thread::sleep_for(gap);
    } else if (gap.count() != 0) {
      spin_for(gap);
    }
    const auto start = Clock::now();
    team.run(task);
    times.push_back(Nanoseconds(Clock::now() - start).count() / 1000);
  }
  std::sort(times.begin(), times.end());
  return times;
}

void report(slipway::Team& team, const char* label, int runs, std::chrono::nanoseconds gap) {
  std::printf("%-14s", label);
  for (const int work_us : {0, 5, 50}) {
    const std::vector<double> times = measure(team, runs, gap, std::chrono::microseconds(work_us));
    std::printf("   %7.2f %7.2f", times[times.size() / 2] - work_us, times[times.size() * 99 / 100] - work_us);
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  slipway::Team team(argc > 1 ? std::atoi(argv[1]) : slipway::available_cpus());
  std::printf("team of %d; microseconds beyond the work of one share: median and 99th percentile\n", team.size());
  std::printf("%-14s   %15s   %15s   %15s\n", "gap", "no work", "5 us shares", "50 us shares");
  report(team, "back to back", 20000, std::chrono::nanoseconds(0));
  report(team, "5 us", 5000, std::chrono::microseconds(5));
  report(team, "50 us", 2000, std::chrono::microseconds(50));
  report(team, "2 ms", 300, std::chrono::milliseconds(2));
  return 0;
}

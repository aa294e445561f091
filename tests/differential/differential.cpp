// Random graphs run by the references and by every way an engine may run them: passes on and off, fast tactics and references,
// one and two threads, each instruction set.
//
//   differential CASES [--seed N] [--graphs N] [--seconds S] [--from N]
//
// CASES: the folder of .case files to grow from. Ends with status 1 after the first ten differences, each printed as a graph that
// is cut down to what is needed, ready for a .case file.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "compare.hpp"
#include "ir/text.hpp"

namespace slipway::differential {
namespace {

constexpr size_t kMaxFindings = 10;

std::vector<Seed> read_seeds(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".case") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Seed> seeds;
  for (const auto& path : files) {
    std::ifstream in(path);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    const size_t from = text.find("== before\n"), to = text.find("== after");
    if (from == std::string::npos || to == std::string::npos) continue;
    seeds.push_back(
        {path.parent_path().filename().string() + "/" + path.stem().string(), text.substr(from + 10, to - from - 10)});
  }
  return seeds;
}

void print(const Trial& trial, uint64_t seed, uint64_t number) {
  std::printf("---- seed %llu, graph %llu, from %s: %s\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(number), trial.origin.c_str(), difference(trial).c_str());
  const ir::PrintOptions whole{.constant_limit = 40};
  std::printf("%s\n", ir::print(trial.graph, whole).c_str());
  for (const ir::Value& v : trial.inputs) {
    if (v.tensor() != nullptr) std::printf("input %s\n", to_string(v.tensor()->dims()).c_str());
  }
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  uint64_t seed = 1, graphs = ~uint64_t{0}, number = 0;
  double seconds = 1e9;
  for (int i = 2; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--seed") == 0) seed = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--graphs") == 0) graphs = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--seconds") == 0) seconds = std::strtod(argv[i + 1], nullptr);
    if (std::strcmp(argv[i], "--from") == 0) number = std::strtoull(argv[i + 1], nullptr, 10);
  }
  const std::vector<Seed> seeds = read_seeds(argv[1]);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  size_t findings = 0, nodes = 0;
  const uint64_t first = number;
  for (; number - first < graphs && findings < kMaxFindings && std::chrono::steady_clock::now() < end; ++number) {
    const Trial trial = generate(seeds, seed, number);
    nodes += trial.graph.live_nodes();
    if (difference(trial).empty()) continue;
    print(shrunk(trial), seed, number);
    ++findings;
  }
  std::printf("seed %llu: %llu graphs of %zu nodes, %zu differences\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(number - first), nodes, findings);
  return findings == 0 ? 0 : 1;
}

}  // namespace
}  // namespace slipway::differential

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: differential CASES [--seed N] [--graphs N] [--seconds S] [--from N]\n");
    return 2;
  }
  return slipway::differential::run(argc, argv);
}

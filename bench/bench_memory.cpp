// Operators that move or map data: the bytes they move a second, in cache and out of cache, beside the machine's own copy:
//   bench_memory [--only NAME[/TYPE]]... [--where in|out] [--threads N] [--isa ISA] [--seconds S] [--json] bench/operators.txt
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>

#include <fmt/ranges.h>

#include "base/format.hpp"
#include "engine/engine.hpp"
#include "ir/text.hpp"
#include "kernels/x64/roof/roof.hpp"
#include "ops/registry.hpp"
#include "ops/sample.hpp"

namespace {

using namespace slipway;
using Clock = std::chrono::steady_clock;

struct Arguments {
  std::vector<std::string> only;
  std::string file, where;
  Isa isa = detected_isa();
  int threads = 1;
  double seconds = 0.2;
  bool json = false;
};

/// One node with one type: T and, if it has them, permutation and extents are written in; N is not yet.
struct Case {
  std::string name, type, text;
  int64_t index_below = 8;
  bool part = false;  ///< reads no more than it writes
};

struct Place {
  std::string_view name;
  int64_t bytes;  ///< that the node moves, about
  double copy_gb_s = 0;
};

/// `word` where it stands alone.
std::string replaced(std::string text, std::string_view word, const std::string& by) {
  const auto inside = [&](size_t i) { return i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) != 0); };
  for (size_t at = 0; (at = text.find(word, at)) != std::string::npos;) {
    if ((at > 0 && (inside(at - 1) || text[at - 1] == '%')) || inside(at + word.size())) {
      ++at;
      continue;
    }
    text.replace(at, word.size(), by);
    at += by.size();
  }
  return text;
}

/// Every order of the axes of four pictures, ranks 2 to 5; the last axis is the one that grows in no reader's way.
void permutations(const Case& pattern, std::vector<Case>& out) {
  constexpr std::string_view kExtents[] = {"N, 200", "N, 24, 40", "N, 12, 20, 36", "N, 6, 10, 12, 20"};
  for (int rank = 2; rank <= 5; ++rank) {
    std::vector<int> order(static_cast<size_t>(rank));
    std::iota(order.begin(), order.end(), 0);
    while (std::next_permutation(order.begin(), order.end())) {
      Case one = pattern;
      one.name += "_";
      for (const int axis : order) one.name += static_cast<char>('0' + axis);
      one.text = replaced(one.text, "DIMS", std::string(kExtents[rank - 2]));
      one.text = replaced(one.text, "PERM", fmt::format("[{}]", fmt::join(order, ", ")));
      out.push_back(one);
    }
  }
}

std::vector<Case> read_cases(const std::string& path) {
  std::vector<Case> out;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find('|'), second = line.find('|', first + 1);
    if (line.empty() || line[0] == '#' || second == std::string::npos) continue;
    Case made;
    std::istringstream(line.substr(0, first)) >> made.name;
    std::vector<std::string> types;
    bool permuted = false;
    std::istringstream words(line.substr(first + 1, second - first - 1));
    for (std::string word; words >> word;) {
      if (word.starts_with("index=")) {
        made.index_below = std::atoll(word.c_str() + 6);
      } else if (word == "part") {
        made.part = true;
      } else if (word == "permutations") {
        permuted = true;
      } else {
        types.push_back(word);
      }
    }
    for (const std::string& type : types) {
      made.type = type;
      made.text = replaced(line.substr(second + 1), "T", type);
      permuted ? permutations(made, out) : out.push_back(made);
    }
  }
  return out;
}

struct Measured {
  double us = 0, bytes = 0;
  int64_t n = 0;
  std::string tactics;
};

double bytes_of(const ir::Graph& graph, bool part) {
  double in = 0, out = 0;
  const auto add = [&](ir::ValueId v) {
    const ir::Fact& fact = graph.value(v).fact;
    return static_cast<double>(byte_size(fact.type, fact.dims().count()));
  };
  for (const ir::ValueId v : graph.inputs()) in += add(v);
  for (const ir::ValueId v : graph.outputs()) out += add(v);
  return out + (part ? std::min(in, out) : in);
}

/// The N with which the node moves about so many bytes.
Result<int64_t> extent_for(const Case& c, int64_t bytes) {
  const ir::Graph one = TRY(ir::parse(replaced(c.text, "N", "64"), ops::lookup));
  const ir::Graph two = TRY(ir::parse(replaced(c.text, "N", "128"), ops::lookup));
  const double each = (bytes_of(two, c.part) - bytes_of(one, c.part)) / 64, fixed = bytes_of(one, c.part) - 64 * each;
  return std::max<int64_t>(1, static_cast<int64_t>((static_cast<double>(bytes) - fixed) / each));
}

/// Small positive numbers, so that every function is defined; integers count through [1, below] or [0, below).
Tensor filled(const Case& c, const ir::Fact& fact) {
  Tensor t(fact.type, fact.dims());
  const bool index = c.index_below != 8 && fact.type == ElementType::i64;
  for (int64_t i = 0; i < t.count(); ++i) {
    if (is_float(fact.type)) {
      ops::store<double>(t, i, 0.05 + static_cast<double>(i * 7 % 61) / 16);
    } else if (fact.type == ElementType::boolean) {
      ops::store<int64_t>(t, i, i * 7 % 3 == 0);
    } else {
      ops::store<int64_t>(t, i, index ? i * 37 % c.index_below : 1 + i * 5 % 7);
    }
  }
  return t;
}

Result<Measured> measure(const Case& c, const Place& place, const Arguments& arguments) {
  Measured result;
  result.n = TRY(extent_for(c, place.bytes));
  ir::Graph graph = TRY(ir::parse(replaced(c.text, "N", std::to_string(result.n)), ops::lookup));
  result.bytes = bytes_of(graph, c.part);
  std::vector<ir::Value> inputs, outputs;
  for (const ir::ValueId v : graph.inputs()) inputs.emplace_back(filled(c, graph.value(v).fact));
  engine::Options options;
  options.isa = arguments.isa;
  options.threads = arguments.threads;
  const auto engine = TRY(engine::Engine::from_graph(std::move(graph), options));
  const auto session = engine->session();
  std::vector<std::shared_ptr<const plan::Plan>> plans;
  runtime::RunOptions first;
  first.plans = &plans;
  TRY(session->run(inputs, outputs, first));
  for (const auto& plan : plans) {
    for (const plan::Step& step : plan->steps)
      result.tactics += fmt::format("{}{}", result.tactics.empty() ? "" : "+", step.tactic);
  }
  if (result.tactics.empty()) result.tactics = "host";
  std::vector<double> times;
  for (const auto begin = Clock::now();
       times.size() < 2 || std::chrono::duration<double>(Clock::now() - begin).count() < arguments.seconds;) {
    const auto from = Clock::now();
    TRY(session->run(inputs, outputs));
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - from).count());
    if (times.back() > 2e6) break;
  }
  std::nth_element(times.begin(), times.begin() + static_cast<ptrdiff_t>(times.size() / 2), times.end());
  result.us = times[times.size() / 2];
  return result;
}

bool parse_arguments(int argc, char** argv, Arguments& a) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool more = i + 1 < argc;
    if (word == "--json") {
      a.json = true;
    } else if (word == "--only" && more) {
      a.only.emplace_back(argv[++i]);
    } else if (word == "--where" && more) {
      a.where = argv[++i];
    } else if (word == "--threads" && more) {
      a.threads = std::max(1, std::atoi(argv[++i]));
    } else if (word == "--seconds" && more) {
      a.seconds = std::atof(argv[++i]);
    } else if (word == "--isa" && more) {
      a.isa = parse_isa(argv[++i]).value_or(a.isa);
    } else if (word[0] != '-' && a.file.empty()) {
      a.file = word;
    } else {
      return false;
    }
  }
  return !a.file.empty();
}

bool wanted(const Case& c, const std::vector<std::string>& only) {
  return only.empty() || std::any_of(only.begin(), only.end(),
                                     [&](const std::string& name) { return name == c.name || name == c.name + "/" + c.type; });
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse_arguments(argc, argv, arguments)) {
    std::fprintf(
        stderr,
        "usage: bench_memory [--only NAME[/TYPE]]... [--where in|out] [--threads N] [--isa ISA] [--seconds S] [--json] FILE\n");
    return 2;
  }
  std::vector<Place> places = {{"in", cpu_info().l2_bytes / 2}, {"out", std::max<int64_t>(128 << 20, cpu_info().l3_bytes * 4)}};
  std::erase_if(places, [&](const Place& p) { return !arguments.where.empty() && p.name != arguments.where; });
  Team team(arguments.threads);
  for (Place& p : places) {
    const auto each = static_cast<size_t>(p.bytes / 2 / team.size());
    p.copy_gb_s = roof::stream_rate(team, detected_isa(), each, roof::Stream::copy, 0.1) / 1e9;
    if (!arguments.json) std::printf("copy %s of cache: %.1f GB/s\n", std::string(p.name).c_str(), p.copy_gb_s);
  }
  int failed = 0;
  for (const Case& c : read_cases(arguments.file)) {
    if (!wanted(c, arguments.only)) continue;
    for (const Place& p : places) {
      const auto r = measure(c, p, arguments);
      if (!r) {
        std::fprintf(stderr, "%s/%s: %s\n", c.name.c_str(), c.type.c_str(), r.error().text().c_str());
        ++failed;
        continue;
      }
      const double rate = r->bytes / r->us / 1e3;
      std::printf(
          arguments.json ? "{\"name\": \"%s\", \"type\": \"%s\", \"where\": \"%s\", \"n\": %ld, \"us\": %.3f, \"gb_s\": %.2f, "
                           "\"of_copy\": %.3f, \"tactics\": \"%s\"}\n"
                         : "%-20s %-5s %-3s n %-9ld %10.1f us %7.1f GB/s  %5.2f of copy  %s\n",
          c.name.c_str(), c.type.c_str(), std::string(p.name).c_str(), r->n, r->us, rate, rate / p.copy_gb_s, r->tactics.c_str());
      std::fflush(stdout);
    }
  }
  return failed == 0 ? 0 : 1;
}

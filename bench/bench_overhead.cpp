// What it costs beside the kernels' own work: a step between two others, and the plan of a shape not seen before.
//   bench_overhead [MODEL INPUT:1x3x48x320..640+8]
// The second argument names one input and its extents; the last extent runs from 320 to 640 in steps of 8.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/packed_store.hpp"
#include "ir/text.hpp"
#include "kernels/registry.hpp"
#include "ops/registry.hpp"

namespace {

using namespace slipway;
using Clock = std::chrono::steady_clock;

double us_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Microseconds of one run of `steps` elementwise kernels over 16 numbers each, one after the other.
Result<double> run_us(int steps) {
  std::string text = "input %v0: f32[16]\n";
  for (int i = 0; i < steps; ++i) text += "%v" + std::to_string(i + 1) + " = Relu(%v" + std::to_string(i) + ")\n";
  engine::Options options;
  options.threads = 1;
  options.passes = false;
  const auto engine =
      TRY(engine::Engine::from_graph(TRY(ir::parse(text + "output %v" + std::to_string(steps) + "\n", ops::lookup)), options));
  const auto session = engine->session();
  const std::vector inputs{ir::Value(Tensor(ElementType::f32, {16}))};
  std::vector<ir::Value> outputs;
  std::vector<double> times;
  for (int i = 0; i < 2000; ++i) {
    const Clock::time_point start = Clock::now();
    TRY(session->run(inputs, outputs));
    times.push_back(us_since(start));
  }
  return median(times);
}

Status print_steps() {
  constexpr int kFew = 10, kMany = 1010;
  const double few = TRY(run_us(kFew)), many = TRY(run_us(kMany));
  std::printf("a step, its kernel of one vector included: %.3f us; a run of %d steps: %.2f us\n", (many - few) / (kMany - kFew),
              kFew, few);
  return {};
}

struct Shapes {
  std::string input;
  std::vector<int64_t> dims;
  int64_t last = 0, step = 1;
};

bool parse(const std::string& text, Shapes& out) {
  const size_t colon = text.rfind(':'), dots = text.find("..", colon), plus = text.find('+', colon);
  if (colon == std::string::npos || dots == std::string::npos || plus == std::string::npos) return false;
  out.input = text.substr(0, colon);
  for (size_t at = colon + 1; at < dots; at = std::min(dots, text.find('x', at)) + 1) out.dims.push_back(std::atoll(&text[at]));
  out.last = std::atoll(&text[dots + 2]);
  out.step = std::max<int64_t>(1, std::atoll(&text[plus + 1]));
  return !out.dims.empty();
}

/// Every shape planned for the first time by one engine, the plans before it still there.
Status print_shapes(const char* model, Shapes shapes) {
  engine::Options options;
  options.threads = 1;
  const auto engine = TRY(engine::Engine::load(model, options));
  if (engine->inputs().size() != 1) return Error(ErrorCode::invalid_argument, "the model has several inputs");
  engine::ModelPackedStore store(engine->graph());
  plan::PlanOptions plan_options;
  plan_options.machine = {options.isa, 1, cpu_info()};
  plan_options.tactic_list = &kernels::all();
  plan_options.store = &store;
  std::vector<std::unique_ptr<plan::Plan>> plans;
  std::vector<double> times;
  for (; shapes.dims.back() <= shapes.last; shapes.dims.back() += shapes.step) {
    const plan::InputDesc input{ir::Fact::tensor(ElementType::f32, Dims(std::span<const int64_t>(shapes.dims))), {}};
    const Clock::time_point start = Clock::now();
    plans.push_back(TRY(plan::make(engine->graph(), std::span(&input, 1), plan_options)));
    times.push_back(us_since(start) / 1e3);
  }
  if (times.size() < 2) return Error(ErrorCode::invalid_argument, "fewer than two shapes");
  const double first = times.front();
  times.erase(times.begin());
  std::printf("planning a new shape: first %.2f ms, then median %.3f ms, most %.3f ms of %zu\n", first, median(times),
              *std::max_element(times.begin(), times.end()), times.size());
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  Shapes shapes;
  if (argc != 1 && (argc != 3 || !parse(argv[2], shapes))) {
    std::fprintf(stderr, "usage: bench_overhead [MODEL INPUT:1x3x48x320..640+8]\n");
    return 2;
  }
  Status done = print_steps();
  if (done && argc == 3) done = print_shapes(argv[1], shapes);
  if (done) return 0;
  std::fprintf(stderr, "%s\n", done.error().text().c_str());
  return 1;
}

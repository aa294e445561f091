// slipway explain: every stage a model goes through, and per node every tactic with its cost or its refusal.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/format.hpp"
#include "cli/cli.hpp"
#include "cli/inputs.hpp"
#include "cli/profile.hpp"
#include "ir/text.hpp"

namespace slipway::cli {
namespace {

constexpr int kRounds = 3;  // of timing the steps

struct ExplainOptions {
  ModelOptions model;
  InputOptions input;
  std::string node;
  int64_t stop_after = -1;
};

void print_passes(const passes::Report& report) {
  std::printf("== passes: %zu -> %zu nodes, %zu patches\n", report.nodes_before, report.nodes_after, report.patches);
  for (const passes::PassReport& pass : report.passes) {
    std::printf("  %-28s %5zu patches  %8.2f ms\n", std::string(pass.name).c_str(), pass.patches, pass.ms);
    for (const passes::Declined& d : pass.declined) std::printf("      declined at %s: %s\n", d.node.c_str(), d.reason.c_str());
  }
}

std::string place_text(const plan::Place& place) {
  using Kind = plan::Place::Kind;
  switch (place.kind) {
    case Kind::none:
      return "-";
    case Kind::arena:
      return fmt::format("@{}", place.offset);
    case Kind::constant:
      return "const";
    case Kind::input:
      return fmt::format("in{}", place.index);
    case Kind::output:
      return fmt::format("out{}", place.index);
    case Kind::kept:
      return "kept";
  }
  return "-";
}

void print_plan(const plan::Plan& plan, const std::string& node) {
  std::printf("== plan: %zu steps, %zu host nodes%s, arena %.2f MiB (live peak %.2f MiB, scratch %.2f MiB)\n", plan.steps.size(),
              plan.host.size(), plan.rest ? ", then a rest" : "", static_cast<double>(plan.memory.arena_bytes) / 1048576,
              static_cast<double>(plan.memory.live_peak_bytes) / 1048576,
              static_cast<double>(plan.memory.scratch_bytes) / 1048576);
  for (const plan::Choice& choice : plan.choices) {
    if (!node.empty() && choice.node != node) continue;
    std::printf("%s (%s)\n", choice.node.c_str(), choice.op.c_str());
    for (const plan::Choice::Candidate& c : choice.candidates) {
      if (c.accepted) {
        const std::string measured = c.measured_us > 0 ? fmt::format(" (measured {:.2f})", c.measured_us) : "";
        std::printf("   %c %-30s %10.2f us%s  %s\n", c.chosen ? '*' : ' ', c.tactic.c_str(), c.cost_us, measured.c_str(),
                    c.text.c_str());
      } else {
        std::printf("     %-30s no: %s\n", c.tactic.c_str(), c.text.c_str());
      }
    }
  }
  if (!node.empty()) return;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const plan::Step& s = plan.steps[i];
    std::string io;
    for (const plan::Place& p : s.inputs) io += (io.empty() ? "" : " ") + place_text(p);
    io += " ->";
    for (const plan::Place& p : s.outputs) io += " " + place_text(p);
    std::printf("%4zu  %-18s %-28s %-40s %s  [%s]\n", i, s.op.c_str(), std::string(s.tactic).c_str(), s.name.c_str(), io.c_str(),
                s.recipe.c_str());
  }
  for (ir::NodeId id : plan.host)
    std::printf("host  %-18s %s\n", std::string(plan.graph.node(id).op->name).c_str(), plan.graph.node(id).name.c_str());
}

Status explain(const ExplainOptions& options) {
  engine::Options base = TRY(engine_options(options.model));
  base.explain = true;
  if (options.stop_after >= 0) base.stop_after = static_cast<size_t>(options.stop_after);
  const auto engine = TRY(open_model(options.model, base));
  print_passes(engine->passes());
  if (options.node.empty()) std::printf("== graph\n%s", ir::print(engine->graph()).c_str());
  std::vector<std::string> notes;
  const std::vector<ir::Value> inputs = TRY(make_inputs(*engine, options.input, notes));
  for (const std::string& note : notes) std::printf("note: %s\n", note.c_str());
  std::vector<std::shared_ptr<const plan::Plan>> plans;
  runtime::RunOptions run;
  run.plans = &plans;
  std::vector<ir::Value> outputs;
  const auto session = engine->session();
  const Status done = session->run(inputs, outputs, run);
  for (const auto& plan : plans) print_plan(*plan, options.node);
  TRY(done);
  if (!options.node.empty()) return {};
  std::printf("== times\n");
  const Progress progress("timing the steps of " + options.model.model);
  const Profile measured = TRY(profile(*session, inputs, engine->options().isa, kRounds));
  print_profile(measured, measured.steps.size());
  return {};
}

}  // namespace

void add_explain(CLI::App& app, Work& work) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App& command =
      *app.add_subcommand("explain", "Everything that happens to a model: passes, graph, tactics with costs and refusals, plan");
  add_model_options(command, options->model);
  add_input_options(command, options->input);
  command.add_option("--node", options->node, "Only this node");
  command.add_option("--stop-after", options->stop_after, "Stop after N patches")->check(CLI::NonNegativeNumber);
  command.callback([options, &work] { work = [options] { return explain(*options); }; });
}

}  // namespace slipway::cli

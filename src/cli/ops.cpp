// slipway ops: every operator with its versions, types and tactics.
#include "ops/registry.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/format.hpp"
#include "cli/cli.hpp"
#include "kernels/registry.hpp"

namespace slipway::cli {
namespace {

std::string type_list(TypeSet set) {
  if (set == type_sets::kAll) return "all";
  std::string out;
  for (int i = 1; i < kElementTypeCount; ++i) {
    const auto t = static_cast<ElementType>(i);
    if (contains(set, t)) out += (out.empty() ? "" : ",") + std::string(name(t));
  }
  return out;
}

std::vector<const tactic::Tactic*> tactics_of(const ops::Op& op) {
  std::vector<const tactic::Tactic*> out;
  for (const tactic::Tactic& tactic : kernels::all()) {
    for (std::string_view accepted : tactic.ops) {
      if (accepted == op.name || (accepted == "*" && op.has_reference())) out.push_back(&tactic);
    }
  }
  return out;
}

Status list_ops(bool json) {
  bool first = true;
  if (json) std::printf("[");
  for (const ops::Op* op : ops::all()) {
    std::string versions, tactics;
    for (int v : op->versions()) versions += (versions.empty() ? "" : ",") + std::to_string(v);
    for (const tactic::Tactic* t : tactics_of(*op)) {
      tactics += json ? fmt::format("{}{{\"name\":\"{}\",\"isa\":\"{}\"}}", tactics.empty() ? "" : ",", t->name, name(t->isa))
                      : fmt::format("{}{}", tactics.empty() ? "" : " ", t->name);
    }
    const std::string domain(op->domain.empty() ? "ai.onnx" : op->domain);
    const std::string types = op->inputs().empty() ? "-" : type_list(op->inputs()[0].types);
    if (json) {
      std::printf("%s\n{\"domain\":\"%s\",\"name\":\"%s\",\"versions\":[%s],\"types\":\"%s\",\"tactics\":[%s]}", first ? "" : ",",
                  domain.c_str(), std::string(op->name).c_str(), versions.c_str(), types.c_str(), tactics.c_str());
    } else {
      std::printf("%-14s %-28s %-22s %-50s %s\n", domain.c_str(), std::string(op->name).c_str(), versions.c_str(), types.c_str(),
                  tactics.c_str());
    }
    first = false;
  }
  if (json) {
    std::printf("\n]\n");
  } else {
    std::printf("%zu operators\n", ops::all().size());
  }
  return {};
}

}  // namespace

void add_ops(CLI::App& app, Work& work) {
  auto json = std::make_shared<bool>(false);
  CLI::App& command = *app.add_subcommand("ops", "Every operator with its versions, types of the first input, and tactics");
  command.add_flag("--json", *json, "Print as JSON");
  command.callback([json, &work] { work = [json] { return list_ops(*json); }; });
}

}  // namespace slipway::cli

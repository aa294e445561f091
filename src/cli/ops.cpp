// slipway ops: every operator with its versions, types and tactics.
#include "ops/registry.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

#include "base/format.hpp"
#include "cli/cli.hpp"
#include "kernels/registry.hpp"
#include "ops/function.hpp"
#include "tactic/accepts.hpp"

namespace slipway::cli {
namespace {

/// A set as a few words: the well-known sets by name, then what is left.
std::string type_list(TypeSet set) {
  using namespace type_sets;
  static constexpr std::pair<TypeSet, std::string_view> kSets[] = {
      {kAll, "all"},           {kNumeric, "numbers"}, {kFloat, "floats"},   {kInteger, "integers"}, {kSigned, "signed"},
      {kUnsigned, "unsigned"}, {kFloat8, "float8"},   {kSubByte, "packed"}, {kComplex, "complex"}};
  std::string out;
  const auto add = [&](std::string_view word) { out.append(out.empty() ? "" : ",").append(word); };
  for (const auto& [members, word] : kSets) {
    if ((set & members) != members) continue;
    add(word);
    set &= ~members;
  }
  for (int i = 1; i < kElementTypeCount; ++i) {
    const auto t = static_cast<ElementType>(i);
    if (contains(set, t)) add(name(t));
  }
  return out;
}

std::vector<const tactic::Tactic*> tactics_of(const ops::Op& op) {
  std::vector<const tactic::Tactic*> out;
  for (const tactic::Tactic& tactic : kernels::all()) {
    if (tactic::lists(tactic, op)) out.push_back(&tactic);
  }
  return out;
}

std::string domain_of(const ops::Op& op) {
  return std::string(op.domain.empty() ? "ai.onnx" : op.domain);
}

std::string versions_of(const ops::Op& op, std::string_view between) {
  std::string out;
  for (const int version : op.versions()) out.append(out.empty() ? "" : between).append(std::to_string(version));
  return out;
}

/// The inputs' types: those that must be equal stand together.
std::string port_types(const ops::Op& op) {
  std::vector<std::pair<std::string, std::string>> groups;  // names, types
  std::vector<char> letters;
  for (const ops::Port& port : op.inputs()) {
    const std::string types = port.kind == ir::Fact::Kind::unknown ? "any value" : type_list(port.types);
    size_t at = groups.size();
    for (size_t i = 0; i < letters.size(); ++i) {
      if (groups[i].second == types && letters[i] == port.group) at = i;
    }
    if (at == groups.size()) {
      groups.emplace_back("", types);
      letters.push_back(port.group);
    }
    groups[at].first += (groups[at].first.empty() ? "" : ", ") + std::string(port.name);
  }
  std::string out;
  for (const auto& [names, types] : groups) out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", names, types);
  return out.empty() ? "-" : out;
}

/// The tactics by the instruction set that each needs; without the reference, which every operator has.
std::string tactics_by_isa(const ops::Op& op) {
  std::map<Isa, std::string> by_isa;
  for (const tactic::Tactic* t : tactics_of(op)) {
    if (t->name != "ref") by_isa[t->isa] += (by_isa[t->isa].empty() ? "" : " ") + std::string(t->name);
  }
  std::string out;
  for (const auto& [isa, names] : by_isa) out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", name(isa), names);
  return out.empty() ? (ops::body_of(op) != nullptr ? "those of its body" : "reference") : out;
}

Status list_markdown() {
  std::printf(
      "# Operators\n"
      "Made by `slipway ops --markdown`. An operator is read in every version up to the next one named here; `any value` is a\n"
      "tensor, sequence, map or optional. Every operator has a reference; tactics are faster ways for what they accept, under\n"
      "the least instruction set they need. Words for types: floats f16 f32 f64 bf16; integers signed and unsigned of 8 to 64\n"
      "bits; numbers both; float8 all five; packed u4 i4 f4e2m1 u2 i2; complex c64 c128; all: these, bool and string.\n");
  std::string domain;
  for (const ops::Op* op : ops::all()) {
    if (domain_of(*op) != domain) {
      domain = domain_of(*op);
      std::printf("\n## %s\n| operator | versions | inputs | tactics | meaning |\n|---|---|---|---|---|\n", domain.c_str());
    }
    std::string meaning(op->doc());
    for (size_t at = 0; (at = meaning.find('|', at)) != std::string::npos; at += 2) meaning.insert(at, "\\");
    std::printf("| %s | %s | %s | %s | %s |\n", std::string(op->name).c_str(), versions_of(*op, " ").c_str(),
                port_types(*op).c_str(), tactics_by_isa(*op).c_str(), meaning.c_str());
  }
  return {};
}

Status list_ops(bool json) {
  bool first = true;
  if (json) std::printf("[");
  for (const ops::Op* op : ops::all()) {
    const std::string versions = versions_of(*op, ",");
    std::string tactics;
    for (const tactic::Tactic* t : tactics_of(*op)) {
      tactics += json ? fmt::format("{}{{\"name\":\"{}\",\"isa\":\"{}\"}}", tactics.empty() ? "" : ",", t->name, name(t->isa))
                      : fmt::format("{}{}", tactics.empty() ? "" : " ", t->name);
    }
    const std::string domain = domain_of(*op);
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
  auto json = std::make_shared<bool>(false), markdown = std::make_shared<bool>(false);
  CLI::App& command = *app.add_subcommand("ops", "Every operator with its versions, types of the first input, and tactics");
  command.add_flag("--json", *json, "Print as JSON");
  command.add_flag("--markdown", *markdown, "Print the page docs/ops.md");
  command.callback(
      [json, markdown, &work] { work = [json, markdown] { return *markdown ? list_markdown() : list_ops(*json); }; });
}

}  // namespace slipway::cli

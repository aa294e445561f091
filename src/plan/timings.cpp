#include "plan/timings.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/format.hpp"
#include "ir/text.hpp"
#include "ops/group.hpp"

namespace slipway::plan {
namespace {

constexpr std::string_view kHead = "slipway timings 1";
constexpr double kMostUs = 1e12;

std::string describe(const tactic::TensorDesc& desc) {
  if (desc.absent()) return "-";
  return fmt::format("{}[{}] {}{}", name(desc.type), to_string(desc.dims), name(desc.format),
                     desc.constant != nullptr ? " constant" : "");
}

void forget_names(ir::Graph& graph) {
  graph.name.clear();
  for (ir::ValueId v = 0; v < graph.value_count(); ++v) graph.value(v).name.clear();
  for (ir::NodeId id = 0; id < graph.node_slots(); ++id) graph.node(id).name.clear();
}

/// The nodes of a graph in one line, without names.
std::string body_text(ir::Graph graph) {
  forget_names(graph);
  ir::PrintOptions options;
  options.facts = false;
  std::string out;
  for (const char c : ir::print(graph, options)) {
    if (c != '\n') {
      if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
    } else if (!out.empty() && out.back() != ';' && out.back() != '{') {
      out += ';';
    }
  }
  return out;
}

/// A graph of this node alone.
ir::Graph graph_of(const tactic::Query& query) {
  ir::Graph graph;
  ir::Node node = query.node;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] != ir::kNone) node.inputs[i] = graph.add_input({}, ir::Fact::tensor(query.inputs[i].type));
  }
  for (ir::ValueId& v : node.outputs) {
    if (v == ir::kNone) continue;
    v = graph.add_value({});
    graph.add_output(v, {});
  }
  graph.add_node(std::move(node));
  return graph;
}

/// Splits the first word off.
std::string_view take_word(std::string_view& line) {
  const size_t space = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(std::min(space + 1, line.size()));
  return word;
}

template <class T>
bool number(std::string_view word, T& out) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out);
  return error == std::errc() && end == word.data() + word.size();
}

bool printable(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= ' '; });
}

struct Line {
  TimingPlace place;
  std::string_view tactic, signature;
  double us = 0;
};

/// Why a line is none, or nothing.
std::string_view parse_line(std::string_view text, Line& out) {
  if (!printable(text)) return "it holds control characters";
  out.place.version = take_word(text);
  const std::optional<Isa> isa = parse_isa(take_word(text));
  if (!isa) return "the second word is no instruction set";
  out.place.isa = *isa;
  if (!number(take_word(text), out.place.threads) || out.place.threads < 1) return "the third word is no number of threads";
  out.tactic = take_word(text);
  if (!number(take_word(text), out.us) || !std::isfinite(out.us) || out.us <= 0 || out.us > kMostUs)
    return "the fifth word is no time in microseconds";
  out.signature = text;
  return out.place.version.empty() || out.tactic.empty() || text.empty() ? "words are missing" : std::string_view();
}

}  // namespace

std::string signature(const tactic::Query& query) {
  const ops::GroupAttrs* group = ops::group_of(query.node);
  std::string out = group != nullptr ? group->kind : std::string(query.node.op->name);
  out += '|' + body_text(group != nullptr ? ir::Graph(*group->body) : graph_of(query));
  for (const tactic::TensorDesc& desc : query.inputs) out += '|' + describe(desc);
  out += "|->";
  for (const tactic::TensorDesc& desc : query.outputs) {
    out += fmt::format("|{}[{}]", name(desc.type), to_string(desc.dims));
  }
  return out;
}

std::string reorder_signature(const tactic::TensorDesc& desc, tactic::Format to) {
  return fmt::format("Reorder|{}|->|{}", describe({desc.type, desc.dims, desc.format, nullptr, {}}), name(to));
}

std::optional<double> Timings::find(const std::string& signature, std::string_view tactic) const {
  const auto at = by_signature_.find(signature);
  if (at == by_signature_.end()) return std::nullopt;
  const auto us = at->second.find(tactic);
  return us == at->second.end() ? std::nullopt : std::optional(us->second);
}

std::optional<double> Timings::least(const std::string& signature) const {
  const auto at = by_signature_.find(signature);
  if (at == by_signature_.end()) return std::nullopt;
  double us = kMostUs;
  for (const auto& [tactic, time] : at->second) us = std::min(us, time);
  return us;
}

void Timings::add(const std::string& signature, std::string_view tactic, double us) {
  us = std::max(1.0, std::round(us * 1e3)) / 1e3;
  const auto [at, fresh] = by_signature_[signature].try_emplace(std::string(tactic), us);
  if (!fresh) at->second = std::min(at->second, us);
}

Result<TimingCache> TimingCache::parse(std::string_view text) {
  if (text.size() > kMaxBytes)
    return fail(ErrorCode::limit, "a timing cache of {} bytes; {} is the limit", text.size(), kMaxBytes);
  TimingCache out;
  size_t row = 0;
  bool headed = false;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++row;
    const auto bad = [&](std::string_view why) {
      return fail(ErrorCode::invalid_argument,
                  "line {} of the timing cache is not a measurement: {}; delete the line or the file", row, why);
    };
    if (line.empty()) continue;
    if (line == kHead) {
      headed = true;
      continue;
    }
    if (!headed) return fail(ErrorCode::invalid_argument, "not a timing cache: its first line is not '{}'", kHead);
    if (line.size() > kMaxLine) return bad("it is too long");
    Line read;
    if (const std::string_view why = parse_line(line, read); !why.empty()) return bad(why);
    out.places_[read.place].add(std::string(read.signature), read.tactic, read.us);
  }
  return out;
}

std::string TimingCache::text() const {
  std::string out = std::string(kHead) + "\n";
  for (const auto& [place, timings] : places_) {
    for (const auto& [signature, tactics] : timings.all()) {
      if (!printable(signature) || signature.size() > kMaxLine / 2) continue;
      for (const auto& [tactic, us] : tactics)
        out += fmt::format("{} {} {} {} {:.3f} {}\n", place.version, name(place.isa), place.threads, tactic, us, signature);
    }
  }
  return out;
}

void TimingCache::merge(const TimingCache& other) {
  for (const auto& [place, timings] : other.places_) {
    for (const auto& [signature, tactics] : timings.all()) {
      for (const auto& [tactic, us] : tactics) places_[place].add(signature, tactic, us);
    }
  }
}

size_t TimingCache::size() const {
  size_t count = 0;
  for (const auto& [place, timings] : places_) {
    for (const auto& [signature, tactics] : timings.all()) count += tactics.size();
  }
  return count;
}

}  // namespace slipway::plan

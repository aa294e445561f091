#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <unordered_map>

#include "base/format.hpp"
#include "base/low_precision.hpp"
#include "ir/lexical.hpp"
#include "ir/text.hpp"

namespace slipway::ir {
namespace {

/// The shortest text that reads back as the same number, told apart from an integer.
template <class T>
std::string float_text(T value) {
  std::string out = fmt::format("{}", value);
  if (out.find_first_of(".einf") == std::string::npos) out += ".0";
  return out;
}

std::string element_text(const Tensor& tensor, int64_t i) {
  const ElementType type = tensor.type();
  switch (type) {
    case ElementType::string:
      return quoted(tensor.as<std::string>()[i]);
    case ElementType::f64:
      return fmt::format("{}", tensor.as<double>()[i]);
    case ElementType::u64:
      return fmt::format("{}", static_cast<uint64_t>(load_int64(tensor.data(), type, i)));
    case ElementType::c64:
      return fmt::format("({},{})", tensor.as<float>()[2 * i], tensor.as<float>()[2 * i + 1]);
    case ElementType::c128:
      return fmt::format("({},{})", tensor.as<double>()[2 * i], tensor.as<double>()[2 * i + 1]);
    default:
      break;
  }
  if (is_float(type)) return fmt::format("{}", static_cast<float>(load_double(tensor.data(), type, i)));
  return fmt::format("{}", load_int64(tensor.data(), type, i));
}

uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 32);
}

uint64_t digest(const void* data, size_t bytes, uint64_t hash) {
  const auto* p = static_cast<const char*>(data);
  for (; bytes != 0;) {
    const size_t n = std::min<size_t>(bytes, 8);
    uint64_t word = 0;
    std::memcpy(&word, p, n);
    hash = mix(hash, word);
    p += n;
    bytes -= n;
  }
  return hash;
}

uint64_t digest(const Tensor& tensor) {
  if (tensor.type() != ElementType::string) return digest(tensor.data(), tensor.bytes(), 1);
  uint64_t hash = 1;
  for (int64_t i = 0; i < tensor.count(); ++i) {
    const std::string& text = tensor.as<std::string>()[i];
    hash = digest(text.data(), text.size(), mix(hash, text.size()));
  }
  return hash;
}

/// All elements alike, so that one says it all. Types of whole bytes only.
bool is_uniform(const Tensor& tensor) {
  const size_t element = static_cast<size_t>(bits(tensor.type())) / 8, bytes = tensor.bytes();
  if (element == 0) return false;
  return bytes > element && std::memcmp(tensor.data(), tensor.as<char>() + element, bytes - element) == 0;
}

std::string tensor_text(const Tensor& tensor, const PrintOptions& options) {
  std::string out = to_string(Fact::tensor(tensor.type(), tensor.dims()));
  const int64_t count = tensor.count();
  if (options.constant_limit >= 0 && count > options.constant_limit) {
    if (is_uniform(tensor)) return out + " full(" + element_text(tensor, 0) + ")";
    return out + (options.digests ? fmt::format("{{...{:016x}}}", digest(tensor)) : "{...}");
  }
  out += '{';
  for (int64_t i = 0; i < count; ++i) {
    if (i != 0) out += ',';
    out += element_text(tensor, i);
  }
  return out + '}';
}

std::string display_name(std::string_view name) {
  return is_plain_name(name) ? std::string(name) : quoted(name);
}

class Printer {
 public:
  Printer(const Graph& graph, const PrintOptions& options, int depth)
      : graph_(graph), options_(options), indent_(2 * (depth + 1), ' '), depth_(depth) {}

  std::string all() {
    const std::vector<NodeId> order = node_order();
    choose_names(order);
    out_ = "graph ";
    if (!graph_.name.empty()) out_ += identifier_or_quoted(graph_.name) + " ";
    out_ += "{\n";
    if (!graph_.producer.empty()) line("producer " + quoted(graph_.producer));
    for (const auto& [key, value] : graph_.metadata) line("meta " + quoted(key) + " = " + quoted(value));
    for (const ValueId v : graph_.inputs()) {
      shown_.insert(v);
      line("input " + reference(v) + ": " + to_string(graph_.value(v).fact, &graph_.symbols));
    }
    for (const NodeId id : order) {
      for (const ValueId v : graph_.node(id).inputs) constant_line(v);
      line(node(id));
    }
    for (size_t i = 0; i < graph_.outputs().size(); ++i) output_line(graph_.outputs()[i], graph_.output_names()[i]);
    return out_ + std::string(indent_.size() - 2, ' ') + "}";
  }

  std::string node(NodeId id) {
    const Node& n = graph_.node(id);
    std::string out;
    for (const ValueId v : n.outputs) out += (out.empty() ? "" : ", ") + reference(v);
    if (!out.empty()) out += " = ";
    if (!n.op->domain.empty()) out += std::string(n.op->domain) + ".";
    out += std::string(n.op->name) + "(";
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      if (i == n.captures_at) {
        out += "; ";
      } else if (i != 0) {
        out += ", ";
      }
      out += reference(n.inputs[i]);
    }
    if (n.captures_at == n.inputs.size()) out += ";";
    out += ")" + attributes(n.attrs);
    const bool named_after_output = !n.outputs.empty() && n.outputs[0] != kNone && graph_.value(n.outputs[0]).name == n.name;
    if (!n.name.empty() && !named_after_output) out += " @" + display_name(n.name);
    return options_.facts ? out + facts(n) : out;
  }

 private:
  void line(std::string_view text) { out_ += indent_ + std::string(text) + "\n"; }

  /// Topological, or in order of ids when there is a cycle to look at.
  std::vector<NodeId> node_order() const {
    Result<std::vector<NodeId>> order = graph_.topological();
    if (order) return std::move(order).value();
    std::vector<NodeId> out;
    for (NodeId id = 0; id < graph_.node_slots(); ++id) {
      if (graph_.node(id).alive()) out.push_back(id);
    }
    return out;
  }

  /// A name of its own for every value that is printed: its own name when nobody had it before.
  void choose_names(const std::vector<NodeId>& order) {
    std::vector<ValueId> printed = graph_.inputs();
    for (const NodeId id : order) {
      const Node& n = graph_.node(id);
      printed.insert(printed.end(), n.inputs.begin(), n.inputs.end());
      printed.insert(printed.end(), n.outputs.begin(), n.outputs.end());
    }
    printed.insert(printed.end(), graph_.outputs().begin(), graph_.outputs().end());
    std::set<std::string, std::less<>> taken;
    for (const ValueId v : printed) {
      if (v != kNone) taken.insert(graph_.value(v).name);
    }
    std::set<std::string, std::less<>> used;
    for (const ValueId v : printed) {
      if (v == kNone || names_.contains(v)) continue;
      const std::string stem = graph_.value(v).name.empty() ? "v" : graph_.value(v).name;
      std::string name = graph_.value(v).name;
      for (int i = 1; name.empty() || used.contains(name) || (name != graph_.value(v).name && taken.contains(name)); ++i) {
        name = fmt::format("{}.{}", stem, i);
      }
      used.insert(name);
      names_[v] = std::move(name);
    }
  }

  std::string reference(ValueId v) const {
    if (v == kNone) return "_";
    const auto at = names_.find(v);
    return "%" + display_name(at == names_.end() ? graph_.value(v).name : at->second);
  }

  void constant_line(ValueId v) {
    if (v == kNone || !graph_.value(v).is_constant() || !shown_.insert(v).second) return;
    line(reference(v) + " = const " + tensor_text(graph_.value(v).constant, options_));
  }

  void output_line(ValueId v, const std::string& name) {
    constant_line(v);
    const auto at = names_.find(v);
    const bool same = at != names_.end() && at->second == name;
    line("output " + reference(v) + (same ? "" : " as " + quoted(name)));
  }

  std::string facts(const Node& n) const {
    std::string out;
    for (const ValueId v : n.outputs) {
      out += (out.empty() ? "  # " : ", ") + (v == kNone ? "_" : to_string(graph_.value(v).fact, &graph_.symbols));
    }
    return out;
  }

  std::string attributes(const Attrs& attrs) const {
    std::string out;
    const std::vector<std::string_view> required = attrs.type()->required();
    for (const AttrEntry& entry : attrs.entries()) {
      const bool shown = !entry.is_default || std::find(required.begin(), required.end(), entry.name) != required.end();
      if (shown) out += (out.empty() ? " {" : ", ") + std::string(entry.name) + "=" + attribute(entry.value);
    }
    return out.empty() ? out : out + "}";
  }

  template <class T>
  std::string list(const std::vector<T>& items) const {
    std::string out = "[";
    for (const T& item : items) out += (out.size() == 1 ? "" : ", ") + attribute(AttrValue(item));
    return out + "]";
  }

  std::string attribute(const AttrValue& value) const {
    return std::visit(
        [this]<class T>(const T& held) -> std::string {
          if constexpr (std::is_same_v<T, std::monostate>) {
            return "none";
          } else if constexpr (std::is_same_v<T, int64_t>) {
            return fmt::format("{}", held);
          } else if constexpr (std::is_same_v<T, float>) {
            return float_text(held);
          } else if constexpr (std::is_same_v<T, std::string>) {
            return quoted(held);
          } else if constexpr (std::is_same_v<T, Tensor>) {
            return held ? tensor_text(held, options_) : "none";
          } else if constexpr (std::is_same_v<T, GraphRef>) {
            return held ? Printer(*held, options_, depth_ + 1).all() : "none";
          } else {
            return list(held);
          }
        },
        value);
  }

  const Graph& graph_;
  const PrintOptions& options_;
  const std::string indent_;
  const int depth_;
  std::unordered_map<ValueId, std::string> names_;
  std::set<ValueId> shown_;  ///< inputs and constants that have their line
  std::string out_;
};

}  // namespace

std::string print(const Graph& graph, const PrintOptions& options) {
  return Printer(graph, options, 0).all() + "\n";
}

std::string print_node(const Graph& graph, NodeId id, const PrintOptions& options) {
  return Printer(graph, options, 0).node(id);
}

}  // namespace slipway::ir

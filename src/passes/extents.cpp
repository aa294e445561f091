#include "passes/extents.hpp"

#include <algorithm>
#include <limits>

#include "base/format.hpp"
#include "ops/concat.hpp"
#include "ops/constant.hpp"
#include "ops/gather.hpp"
#include "ops/reshape.hpp"
#include "ops/shape.hpp"
#include "ops/slice.hpp"

namespace slipway::passes {
namespace {

using ir::Dim;
using ir::Graph;
using ir::Node;
using ir::Shape;
using ir::ValueId;
using Known = std::optional<Terms>;

constexpr TypeSet kFollowed = types(ElementType::i32, ElementType::i64, ElementType::boolean);
/// Nodes looked at for one question; bounds the work on graphs that share a lot.
constexpr int kBudget = 512;

std::optional<int64_t> checked(__int128 v) {
  if (v < std::numeric_limits<int64_t>::min() / 2 || v > std::numeric_limits<int64_t>::max() / 2) return std::nullopt;
  return static_cast<int64_t>(v);
}

Term linear(int symbol, std::optional<int64_t> factor, std::optional<int64_t> number) {
  if (!factor || !number) return {};
  return *factor == 0 ? Term::of(*number) : Term{true, symbol, *factor, *number};
}

Term add(Term a, Term b, int64_t sign) {
  if (!a.known || !b.known || (a.symbol >= 0 && b.symbol >= 0 && a.symbol != b.symbol)) return {};
  return linear(std::max(a.symbol, b.symbol), checked(__int128{a.factor} + __int128{sign} * b.factor),
                checked(__int128{a.number} + __int128{sign} * b.number));
}

Term multiply(Term a, Term b) {
  if (a.is_number()) std::swap(a, b);
  if (!a.known || !b.is_number()) return {};
  return linear(a.symbol, checked(__int128{a.factor} * b.number), checked(__int128{a.number} * b.number));
}

/// Integer division as ONNX has it (towards zero): exact multiples only when a symbol is in it.
Term divide(Term a, Term b) {
  if (!a.known || !b.is_number() || b.number == 0) return {};
  if (b.number == -1) return multiply(a, b);  // the lowest number has no opposite
  if (a.is_number()) return Term::of(a.number / b.number);
  if (a.factor % b.number != 0 || a.number % b.number != 0) return {};
  return {true, a.symbol, a.factor / b.number, a.number / b.number};
}

/// Extents are never negative, so a symbol with non-negative factor and offset differs from every negative number.
Term equals(Term a, Term b) {
  if (!a.known || !b.known) return {};
  if (a == b) return Term::of(1);
  if (a.is_number() && b.is_number()) return Term::of(int64_t{0});
  if (a.is_number()) std::swap(a, b);
  return b.is_number() && a.factor > 0 && b.number < a.number ? Term::of(int64_t{0}) : Term{};
}

Term select(Term condition, Term a, Term b) {
  if (condition.is_number()) return condition.number != 0 ? a : b;
  return a == b ? a : Term{};
}

class Follower {
 public:
  explicit Follower(const Graph& graph) : graph_(graph) {}

  Known value(ValueId v) {
    if (v == ir::kNone || --budget_ < 0) return std::nullopt;
    const ir::ValueInfo& info = graph_.value(v);
    if (!info.fact.is_tensor() || !contains(kFollowed, info.fact.type)) return std::nullopt;
    if (info.is_constant()) return constant(info.constant);
    if (info.producer == ir::kNone) return std::nullopt;
    const Node& node = graph_.node(info.producer);
    if (node.outputs.size() != 1) return std::nullopt;
    Known out = compute(node);
    if (out && out->items.size() > kMaxTerms) return std::nullopt;
    return out;
  }

 private:
  const ir::Fact& fact(const Node& node, size_t i) const { return graph_.value(node.inputs[i]).fact; }
  const Tensor* constant_input(const Node& node, size_t i) const {
    if (i >= node.inputs.size() || node.inputs[i] == ir::kNone) return nullptr;
    const ir::ValueInfo& info = graph_.value(node.inputs[i]);
    return info.is_constant() ? &info.constant : nullptr;
  }

  static Known constant(const Tensor& t) {
    if (t.dims().rank() > 1 || t.count() > static_cast<int64_t>(kMaxTerms)) return std::nullopt;
    Terms out;
    out.scalar = t.dims().rank() == 0;
    for (int64_t v : to_int64s(t)) out.items.push_back(Term::of(v));
    return out;
  }

  Known compute(const Node& node) {
    if (node.is("Shape")) return shape(node);
    if (node.is("Identity")) return value(node.inputs[0]);
    if (node.is("Cast")) return cast(node);
    if (node.is("Gather")) return gather(node);
    if (node.is("Slice")) return slice(node);
    if (node.is("Concat")) return concat(node);
    if (node.is("Unsqueeze") || node.is("Squeeze") || node.is("Reshape")) return reshape(node);
    if (node.is("ConstantOfShape")) return filled(node);
    if (node.is("Expand")) return expand(node);
    if (node.is("ReduceProd")) return product(node);
    if (node.is("Where")) return where(node);
    if (node.is("Add")) return zip(node, [](Term a, Term b) { return add(a, b, 1); });
    if (node.is("Sub")) return zip(node, [](Term a, Term b) { return add(a, b, -1); });
    if (node.is("Mul")) return zip(node, multiply);
    if (node.is("Div")) return zip(node, divide);
    if (node.is("Equal")) return zip(node, equals);
    return std::nullopt;
  }

  Known shape(const Node& node) {
    const ir::Fact& f = fact(node, 0);
    if (!f.is_tensor() || !f.shape) return std::nullopt;
    const auto [first, last] = node.attrs.as<ops::ShapeAttrs>().range(static_cast<int64_t>(f.shape->size()));
    Terms out;
    for (int64_t i = first; i < last; ++i) out.items.push_back(Term::of((*f.shape)[static_cast<size_t>(i)]));
    return out;
  }

  Known cast(const Node& node) {
    Known out = value(node.inputs[0]);
    if (!out || graph_.value(node.outputs[0]).fact.type != ElementType::boolean) return out;
    for (Term& t : out->items) t = t.is_number() ? Term::of(int64_t{t.number != 0}) : Term{};
    return out;
  }

  Known gather(const Node& node) {
    Known data = value(node.inputs[0]);
    const Tensor* indices = constant_input(node, 1);
    if (!data || data->scalar || indices == nullptr || indices->dims().rank() > 1) return std::nullopt;
    Terms out;
    out.scalar = indices->dims().rank() == 0;
    for (int64_t i : to_int64s(*indices)) {
      if (i < 0) i += static_cast<int64_t>(data->items.size());
      if (i < 0 || i >= static_cast<int64_t>(data->items.size())) return std::nullopt;
      out.items.push_back(data->items[static_cast<size_t>(i)]);
    }
    return out;
  }

  Known slice(const Node& node) {
    Known data = value(node.inputs[0]);
    std::vector<int64_t> lists[4];
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == ir::kNone) continue;
      const Tensor* t = constant_input(node, i);
      if (t == nullptr) return std::nullopt;
      lists[i - 1] = to_int64s(*t);
    }
    if (!data || data->scalar) return std::nullopt;
    const auto ranges = ops::slice_ranges({static_cast<int64_t>(data->items.size())}, lists[0], lists[1], lists[2], lists[3]);
    if (!ranges) return std::nullopt;
    const ops::SliceRange range = ranges->front();
    Terms out;
    for (int64_t i = 0; i < range.count; ++i) out.items.push_back(data->items[static_cast<size_t>(range.start + i * range.step)]);
    return out;
  }

  Known concat(const Node& node) {
    Terms out;
    for (ValueId v : node.inputs) {
      Known part = value(v);
      if (part && part->scalar) return std::nullopt;
      if (!part) {  // its length may be known all the same
        const ir::Fact& f = graph_.value(v).fact;
        if (!f.is_static() || f.shape->size() != 1 || f.dims()[0] > static_cast<int64_t>(kMaxTerms)) return std::nullopt;
        part = Terms{std::vector<Term>(static_cast<size_t>(f.dims()[0])), false};
      }
      out.items.insert(out.items.end(), part->items.begin(), part->items.end());
    }
    return out;
  }

  /// Between a scalar and one element, or a list that stays a list.
  Known reshape(const Node& node) {
    Known data = value(node.inputs[0]);
    const ir::Fact& f = graph_.value(node.outputs[0]).fact;
    if (!data || !f.shape || f.shape->size() > 1) return std::nullopt;
    data->scalar = f.shape->empty();
    return data->scalar && data->items.size() != 1 ? std::nullopt : data;
  }

  Known filled(const Node& node) {
    const Known shape = value(node.inputs[0]);
    const Tensor& fill = node.attrs.as<ops::ConstantOfShapeAttrs>().value;
    if (!shape || shape->items.size() > 1 || !fill || fill.count() != 1) return std::nullopt;
    const Term count = shape->items.empty() ? Term::of(1) : shape->items[0];
    if (!count.is_number() || count.number < 0 || count.number > static_cast<int64_t>(kMaxTerms)) return std::nullopt;
    return Terms{std::vector<Term>(static_cast<size_t>(count.number), Term::of(to_int64s(fill)[0])), shape->items.empty()};
  }

  Known expand(const Node& node) {
    const Known data = value(node.inputs[0]), shape = value(node.inputs[1]);
    if (!data || data->items.size() != 1 || !shape || shape->items.size() != 1 || !shape->items[0].is_number())
      return std::nullopt;
    const int64_t count = shape->items[0].number;
    if (count < 1 || count > static_cast<int64_t>(kMaxTerms)) return std::nullopt;
    return Terms{std::vector<Term>(static_cast<size_t>(count), data->items[0]), false};
  }

  Known product(const Node& node) {
    const Known data = value(node.inputs[0]);
    const ir::Fact& f = graph_.value(node.outputs[0]).fact;
    if (!data || data->scalar || !f.is_static() || f.dims().count() != 1 || f.shape->size() > 1) return std::nullopt;
    Term all = Term::of(1);
    for (Term t : data->items) all = multiply(all, t);
    return Terms{{all}, f.shape->empty()};
  }

  template <class F>
  Known zip(const Node& node, F&& f) {
    const Known a = value(node.inputs[0]), b = value(node.inputs[1]);
    return a && b ? zip(*a, *b, f) : std::nullopt;
  }
  template <class F>
  static Known zip(const Terms& a, const Terms& b, F&& f) {
    const size_t n = a.items.size() == 1 ? b.items.size() : a.items.size();
    if (b.items.size() != n && b.items.size() != 1) return std::nullopt;
    Terms out;
    out.scalar = a.scalar && b.scalar;
    for (size_t i = 0; i < n; ++i)
      out.items.push_back(f(a.items[a.items.size() == 1 ? 0 : i], b.items[b.items.size() == 1 ? 0 : i]));
    return out;
  }

  Known where(const Node& node) {
    const Known c = value(node.inputs[0]), a = value(node.inputs[1]), b = value(node.inputs[2]);
    if (!c || !a || !b) return std::nullopt;
    size_t n = std::max({c->items.size(), a->items.size(), b->items.size()});
    if (c->items.empty() || a->items.empty() || b->items.empty()) n = 0;
    Terms out;
    out.scalar = c->scalar && a->scalar && b->scalar;
    for (const Terms* t : {&*c, &*a, &*b}) {
      if (t->items.size() != n && t->items.size() != 1) return std::nullopt;
    }
    const auto at = [](const Terms& t, size_t i) { return t.items[t.items.size() == 1 ? 0 : i]; };
    for (size_t i = 0; i < n; ++i) out.items.push_back(select(at(*c, i), at(*a, i), at(*b, i)));
    return out;
  }

  const Graph& graph_;
  int budget_ = kBudget;
};

/// The shape that a computed target gives; -1 is worked out where the rest of both sides is numbers and equal symbols.
Shape reshaped(const Terms& target, const Shape& from) {
  Shape out;
  for (size_t i = 0; i < target.items.size(); ++i) {
    const Term& t = target.items[i];
    out.push_back(t.is_number() && t.number == 0 && i < from.size() ? from[i] : t.dim());
  }
  const auto open =
      std::find_if(target.items.begin(), target.items.end(), [](const Term& t) { return t.is_number() && t.number == -1; });
  if (open == target.items.end()) return out;
  Shape left = from;
  int64_t divisor = 1, total = 1;
  for (size_t i = 0; i < out.size(); ++i) {
    if (&target.items[i] == &*open) continue;
    if (out[i].known()) {
      if (out[i].value() <= 0 || divisor > (int64_t{1} << 40) / out[i].value()) return out;
      divisor *= out[i].value();
      continue;
    }
    const auto match = std::find_if(left.begin(), left.end(), [&](Dim d) { return d.same(out[i]); });
    if (match == left.end()) return out;
    left.erase(match);
  }
  Dim rest = 1;
  for (Dim d : left) {
    if (d.known()) {
      if (d.value() <= 0 || total > (int64_t{1} << 40) / d.value()) return out;
      total *= d.value();
    } else if (!d.is_symbol() || rest != Dim(1)) {
      return out;
    } else {
      rest = d;
    }
  }
  if (total % divisor != 0) return out;
  out[static_cast<size_t>(open - target.items.begin())] = rest * Dim(total / divisor);
  return out;
}

/// `bounded` is the smaller of `whole` and a number.
bool is_bounded_by(const Graph& graph, Dim bounded, Dim whole) {
  if (!bounded.is_symbol() || !whole.is_symbol()) return false;
  const std::string start = "min(" + graph.symbols[static_cast<size_t>(whole.symbol_index())] + ",";
  return graph.symbols[static_cast<size_t>(bounded.symbol_index())].rfind(start, 0) == 0;
}

/// ONNX broadcasting; unlike ops::broadcast it knows bounded extents, and never fails: what does not fit is unknown.
Shape broadcast(const Graph& graph, const Shape& a, const Shape& b) {
  const size_t rank = std::max(a.size(), b.size());
  const auto at = [rank](const Shape& s, size_t i) { return i + s.size() < rank ? Dim(1) : s[i + s.size() - rank]; };
  Shape out;
  for (size_t i = 0; i < rank; ++i) {
    const Dim x = at(a, i), y = at(b, i);
    if (x == Dim(1) || x.same(y) || is_bounded_by(graph, x, y) || (y.known() && y != Dim(1))) {
      out.push_back(y);
    } else if (y == Dim(1) || is_bounded_by(graph, y, x) || x.known()) {
      out.push_back(x);
    } else {
      out.push_back(Dim::unknown());
    }
  }
  return out;
}

std::optional<Shape> broadcast_shape(const Graph& graph, const Node& node) {
  std::optional<Shape> out;
  for (ValueId v : node.inputs) {
    if (v == ir::kNone) continue;
    const ir::Fact& fact = graph.value(v).fact;
    if (!fact.is_tensor() || !fact.shape) return std::nullopt;
    out = out ? broadcast(graph, *out, *fact.shape) : *fact.shape;
  }
  return out;
}

/// From 0 or another start in steps of 1.
std::optional<Shape> range_shape(const Graph& graph, const Node& node) {
  const Known start = terms_of(graph, node.inputs[0]), limit = terms_of(graph, node.inputs[1]),
              step = terms_of(graph, node.inputs[2]);
  if (!start || !limit || !step || step->items.size() != 1 || step->items[0] != Term::of(int64_t{1})) return std::nullopt;
  const Dim count = add(limit->items.at(0), start->items.at(0), -1).dim();
  return count.is_symbol() ? std::optional(Shape{count}) : std::nullopt;
}

}  // namespace

std::optional<Terms> terms_of(const Graph& graph, ValueId value) {
  return Follower(graph).value(value);
}

ir::Dim bounded_extent(Graph& graph, int symbol, int64_t bound) {
  return graph.symbol(fmt::format("min({},{})", graph.symbols[static_cast<size_t>(symbol)], bound));
}

std::vector<SymbolicCut> symbolic_cuts(const Graph& graph, const Node& slice) {
  std::vector<SymbolicCut> out;
  const ir::Fact& data = graph.value(slice.inputs[0]).fact;
  if (!data.is_tensor() || !data.shape || slice.inputs.size() < 3) return out;
  std::optional<Terms> lists[5];
  for (size_t i = 1; i < slice.inputs.size() && i < 5; ++i) {
    if (slice.inputs[i] == ir::kNone) continue;
    lists[i] = terms_of(graph, slice.inputs[i]);
    if (!lists[i] || lists[i]->scalar) return out;
  }
  const auto &starts = lists[1], &ends = lists[2], &axes = lists[3], &steps = lists[4];
  for (size_t i = 0; starts && ends && i < ends->items.size() && i < starts->items.size(); ++i) {
    if (starts->items[i] != Term::of(int64_t{0})) continue;
    if (steps && (i >= steps->items.size() || steps->items[i] != Term::of(int64_t{1}))) continue;
    int64_t axis = static_cast<int64_t>(i);
    if (axes) {
      if (i >= axes->items.size() || !axes->items[i].is_number()) continue;
      axis = axes->items[i].number < 0 ? axes->items[i].number + static_cast<int64_t>(data.shape->size()) : axes->items[i].number;
    }
    if (axis < 0 || axis >= static_cast<int64_t>(data.shape->size())) continue;
    const Dim end = ends->items[i].dim(), extent = (*data.shape)[static_cast<size_t>(axis)];
    if (end.is_symbol() && extent.known()) out.push_back({static_cast<size_t>(axis), end.symbol_index(), extent.value()});
  }
  return out;
}

std::optional<ir::Shape> computed_shape(const Graph& graph, const Node& node) {
  if (node.op->has(ir::OpInfo::kElementwise)) return broadcast_shape(graph, node);
  if (node.is("Range")) return range_shape(graph, node);
  const bool reshape = node.is("Reshape"), expand = node.is("Expand");
  if (!reshape && !expand && !node.is("ConstantOfShape")) return std::nullopt;
  const std::optional<Terms> target = terms_of(graph, node.inputs.back());
  if (!target || target->scalar) return std::nullopt;
  Shape shape;
  for (const Term& t : target->items) shape.push_back(t.dim());
  if (!reshape && !expand) return shape;
  const ir::Fact& data = graph.value(node.inputs[0]).fact;
  if (!data.is_tensor() || !data.shape) return std::nullopt;
  if (expand) return broadcast(graph, *data.shape, shape);
  const bool has_zero =
      std::any_of(target->items.begin(), target->items.end(), [](const Term& t) { return t == Term::of(int64_t{0}); });
  if (has_zero && node.attrs.as<ops::ReshapeAttrs>().allowzero) return std::nullopt;
  return reshaped(*target, *data.shape);
}

}  // namespace slipway::passes

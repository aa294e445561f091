#include "generate.hpp"

#include <algorithm>
#include <deque>
#include <numeric>
#include <set>

#include "base/format.hpp"
#include "ir/text.hpp"
#include "ops/evaluate.hpp"
#include "ops/registry.hpp"
#include "ops/sample.hpp"

namespace slipway::differential {
namespace {

using ir::Attrs;
using ir::Fact;
using ir::kNone;
using ir::NodeId;
using ir::Value;
using ir::ValueId;
using ops::Op;

constexpr int64_t kMaxElements = 20000;
constexpr size_t kMaxNodes = 16;

/// Operators that only move elements: exact numbers stay exact.
const std::set<std::string_view> kMoves = {"Transpose", "Slice", "Concat",    "Gather",   "Pad",          "Expand",
                                           "Split",     "Tile",  "Where",     "GatherND", "DepthToSpace", "SpaceToDepth",
                                           "Reverse",   "Trilu", "ScatterND", "Flatten"};
/// Operators whose result jumps where their input moves by a rounding error.
const std::set<std::string_view> kSharp = {"Floor",    "Ceil",    "Round",    "Sign",       "TopK",          "Unique",
                                           "Mod",      "Hardmax", "RoiAlign", "GridSample", "Resize",        "ThresholdedRelu",
                                           "Shrink",   "Range",   "OneHot",   "MaxRoiPool", "MaxUnpool",     "Det",
                                           "Compress", "Loop",    "If",       "DeformConv", "QuantizeLinear"};
/// Operators of one tensor that most tensors fit.
constexpr std::string_view kUnary[] = {
    "Relu",      "Sigmoid",    "Tanh",    "Neg",     "Abs",       "Identity",    "HardSwish",
    "Erf",       "Softplus",   "Gelu",    "Softmax", "Transpose", "Flatten",     "LogSoftmax",
    "Swish",     "LeakyRelu",  "Elu",     "Shape",   "Sqrt",      "ReduceMean",  "ReduceMax",
    "ReduceSum", "Size",       "Squeeze", "Exp",     "Mish",      "HardSigmoid", "GlobalAveragePool",
    "ReduceL2",  "Reciprocal", "Not",     "ArgMax",  "Floor",     "Dropout",     "GlobalMaxPool"};
constexpr std::string_view kBinary[] = {"Add",   "Sub",   "Mul",  "Div", "Max",    "Min",   "Pow",
                                        "PRelu", "Equal", "Less", "And", "MatMul", "Concat"};

class Grower {
 public:
  Grower(const std::vector<Seed>& seeds, uint64_t seed, uint64_t number)
      : seeds_(seeds), random_(seed * 0x9e3779b97f4a7c15u + number) {}

  Trial run() {
    Trial trial;
    if (chance(0.45) && !seeds_.empty()) {
      const Seed& start = seeds_[below(seeds_.size())];
      if (start_from(start.text)) trial.origin = start.name;
    }
    if (trial.origin.empty()) {
      trial.origin = "samples";
      for (int tries = 0; tries < 50 && graph_.live_nodes() == 0; ++tries) plant();
    }
    const size_t wanted = graph_.live_nodes() + below(7);
    for (int tries = 0; tries < 60 && graph_.live_nodes() < std::min(wanted, kMaxNodes); ++tries) grow();
    give_out();
    trial.graph = std::move(graph_);
    trial.inputs = std::move(inputs_);
    return trial;
  }

 private:
  // ---- chance
  size_t below(size_t n) { return static_cast<size_t>(random_() % std::max<size_t>(n, 1)); }
  bool chance(double p) { return static_cast<double>(random_() >> 11) * 0x1p-53 < p; }

  // ---- values
  const Tensor* tensor(ValueId v) const { return v < values_.size() ? values_[v].tensor() : nullptr; }
  void know(ValueId v, Value value, bool exact) {
    if (values_.size() <= v) values_.resize(v + 1), exact_.resize(v + 1, false);
    values_[v] = std::move(value);
    exact_[v] = exact;
  }
  bool any_known() const {
    return std::any_of(values_.begin(), values_.end(), [](const Value& v) { return v.has_value(); });
  }
  /// Precondition: any_known().
  ValueId random_value() {
    while (true) {
      const auto v = static_cast<ValueId>(below(values_.size()));
      if (values_[v].has_value()) return v;
    }
  }

  /// Some extents become symbols: the same extent the same symbol, or one of its own.
  Fact declared(const Tensor& t) {
    Fact fact = Fact::tensor(t.type(), t.dims());
    if (!chance(0.3)) return fact;
    for (ir::Dim& d : *fact.shape) {
      if (!chance(0.5)) continue;
      d = graph_.symbol(chance(0.7) ? fmt::format("D{}", d.value()) : fmt::format("E{}_{}", d.value(), graph_.value_count()));
    }
    return fact;
  }
  ValueId add_input(Tensor t) {
    const ValueId v = graph_.add_input(fmt::format("x{}", graph_.value_count()), declared(t));
    inputs_.emplace_back(t);
    know(v, std::move(t), true);
    return v;
  }
  ValueId add_constant(Tensor t) {
    const ValueId v = graph_.add_constant(fmt::format("c{}", graph_.value_count()), t);
    know(v, std::move(t), true);
    return v;
  }

  // ---- nodes
  static bool is_sharp(const Op& op, std::span<const Value> results, std::span<const Value* const> arguments) {
    if (kSharp.count(op.name) != 0) return true;
    const bool reads_floats = std::any_of(arguments.begin(), arguments.end(), [](const Value* v) {
      return v != nullptr && v->tensor() != nullptr && is_float(v->tensor()->type());
    });
    if (!reads_floats || op.name == "Shape" || op.name == "Size") return false;
    return std::any_of(results.begin(), results.end(), [](const Value& v) {
      return v.tensor() == nullptr || !is_float(v.tensor()->type()) || bits(v.tensor()->type()) < 16;
    });
  }

  /// Adds the node when it is valid, runs, stays small, and does not turn rounding errors into jumps.
  bool add(const Op& op, Attrs attrs, std::vector<ValueId> inputs, size_t outputs) {
    if (!ops::check_arity(op, inputs, outputs)) return false;
    std::vector<const Fact*> facts;
    std::vector<const Value*> arguments;
    bool exact = true;
    for (const ValueId v : inputs) {
      facts.push_back(v == kNone ? nullptr : &graph_.value(v).fact);
      arguments.push_back(v == kNone ? nullptr : &values_[v]);
      exact = exact && (v == kNone || exact_[v]);
    }
    if (!ops::check_types(op, facts)) return false;
    const NodeId id = graph_.add_node(&op, fmt::format("n{}", graph_.node_slots()), std::move(attrs), inputs, outputs);
    const auto made = ir::infer_node(graph_, graph_.node(id));
    const auto results = made ? ops::evaluate_node(graph_, graph_.node(id), arguments, ops::reference_runner())
                              : Result<std::vector<Value>>(Error(ErrorCode::unsupported, "not inferred"));
    bool good = results.has_value() && (exact || !is_sharp(op, *results, arguments));
    for (size_t i = 0; good && i < results->size(); ++i) {
      const Tensor* t = (*results)[i].tensor();
      good = t == nullptr || t->count() <= kMaxElements;
    }
    if (!good) {
      graph_.remove_node(id);
      return false;
    }
    const bool stays = only_moves(op);
    for (size_t i = 0; i < outputs; ++i) {
      const ValueId v = graph_.node(id).outputs[i];
      if (v == kNone) continue;
      graph_.value(v).fact = (*made)[i];
      const Tensor* t = (*results)[i].tensor();
      const bool whole = t != nullptr && !is_float(t->type()) && op.tolerance() == ops::Tolerance::exact;
      // Whole numbers that may be one off would be any number off after the next product: nothing reads them.
      const bool one_off = t != nullptr && !is_float(t->type()) && op.tolerance() != ops::Tolerance::exact;
      know(v, one_off ? Value() : (*results)[i], exact && (stays || whole));
    }
    return true;
  }
  bool add(std::string_view name, std::vector<ValueId> inputs, Attrs attrs) {
    const Op* op = ops::find("", name);
    return op != nullptr && add(*op, std::move(attrs), std::move(inputs), 1);
  }
  bool add(std::string_view name, std::vector<ValueId> inputs) {
    const Op* op = ops::find("", name);
    return op != nullptr && add(*op, Attrs(op->OpInfo::attrs), std::move(inputs), 1);
  }

  // ---- starts
  bool start_from(const std::string& text) {
    auto parsed = ir::parse(text, ops::lookup);
    if (!parsed || !ir::infer_all(*parsed)) return false;
    graph_ = std::move(*parsed);
    for (ValueId v = 0; v < graph_.value_count(); ++v) know(v, {}, false);
    for (const ValueId v : graph_.inputs()) {
      const Fact& fact = graph_.value(v).fact;
      if (!fact.is_tensor() || !fact.shape) return reset();
      Dims dims;
      for (const ir::Dim d : *fact.shape) dims.push_back(d.known() ? d.value() : d.is_symbol() ? 2 + d.symbol_index() : 2);
      inputs_.emplace_back(ops::sample::random(fact.type, dims, is_integer(fact.type) ? 0 : -2, 2, random_()));
      know(v, inputs_.back(), true);
    }
    for (ValueId v = 0; v < graph_.value_count(); ++v) {
      if (graph_.value(v).is_constant()) know(v, graph_.value(v).constant, true);
    }
    const auto done = ops::evaluate(graph_, inputs_, [&](ValueId v, const Value& value) { know(v, value, exact_[v]); });
    return done ? true : reset();
  }
  bool reset() {
    graph_ = ir::Graph();
    inputs_.clear();
    values_.clear();
    exact_.clear();
    return false;
  }

  /// A sample of any operator: its inputs are values that exist, where one fits, or new ones.
  void plant() {
    const Op& op = *ops::all()[below(ops::all().size())];
    using Info = ir::OpInfo;
    if (op.has(Info::kRandom) || op.has(Info::kGroup)) return;
    const std::vector<ops::Sample> samples = op.make_samples();
    if (samples.empty()) return;
    const ops::Sample& sample = samples[below(samples.size())];
    std::vector<ValueId> ids;
    for (const ops::SampleInput& input : sample.inputs) {
      const Tensor* t = input.value.tensor();
      if (!input.value.has_value()) {
        ids.push_back(kNone);
      } else if (t == nullptr || t->count() > kMaxElements) {
        return;
      } else if (input.constant) {
        ids.push_back(add_constant(*t));
      } else {
        const ValueId found = chance(0.7) ? like(*t) : kNone;
        ids.push_back(found != kNone ? found : chance(0.3) ? add_constant(*t) : add_input(*t));
      }
    }
    add(op, sample.attrs, std::move(ids), sample.outputs);
  }
  /// A value of the same type and extents; integers may be indices, which only the sample's own are known to fit.
  ValueId like(const Tensor& t) {
    if (!is_float(t.type())) return kNone;
    std::vector<ValueId> fitting;
    for (ValueId v = 0; v < graph_.value_count(); ++v) {
      if (const Tensor* other = tensor(v); other != nullptr && other->type() == t.type() && other->dims() == t.dims())
        fitting.push_back(v);
    }
    return fitting.empty() ? kNone : fitting[below(fitting.size())];
  }

  // ---- growth
  void grow() {
    switch (any_known() ? below(6) : 0) {
      case 0:
        return plant();
      case 1:
        return layer();
      case 2:
        return move();
      case 3:
        return join();
      default:
        add(kUnary[below(std::size(kUnary))], {random_value()});
    }
  }

  Tensor noise(const Dims& dims, ElementType type = ElementType::f32) { return ops::sample::noise(type, dims, random_()); }

  /// A convolution, normalisation or product with constant weights.
  void layer() {
    const ValueId v = random_value();
    const Tensor* t = tensor(v);
    if (t == nullptr || t->type() != ElementType::f32 || t->dims().rank() < 2 || t->count() == 0) return;
    const Dims dims = t->dims();
    const int64_t last = dims.back(), channels = dims[1];
    if (dims.rank() >= 3 && chance(0.6)) {
      const bool depthwise = chance(0.3);
      const int64_t out = depthwise ? channels : 1 + static_cast<int64_t>(below(20)),
                    kernel = 1 + 2 * static_cast<int64_t>(below(2));
      Dims weights{out, depthwise ? 1 : channels};
      for (int i = 2; i < dims.rank(); ++i) weights.push_back(kernel);
      const Op& op = *ops::get("Conv");
      Attrs attrs(op.OpInfo::attrs);
      const auto spatial = static_cast<size_t>(dims.rank() - 2);
      if (depthwise && !attrs.set("group", ir::AttrValue(channels))) return;
      if (!attrs.set("pads", ir::AttrValue(std::vector<int64_t>(2 * spatial, static_cast<int64_t>(below(3)))))) return;
      if (chance(0.3) && !attrs.set("strides", ir::AttrValue(std::vector<int64_t>(spatial, 2)))) return;
      std::vector<ValueId> inputs{v, add_constant(noise(weights))};
      if (chance(0.5)) inputs.push_back(add_constant(noise({out})));
      add(op, std::move(attrs), std::move(inputs), 1);
    } else if (dims.rank() >= 3 && chance(0.4)) {
      const ValueId scale = add_constant(noise({channels})), mean = add_constant(noise({channels}));
      add("BatchNormalization",
          {v, scale, add_constant(noise({channels})), mean, add_constant(ops::sample::random({channels}, 0.1, 2))});
    } else if (chance(0.3)) {
      add("LayerNormalization", {v, add_constant(noise({last})), add_constant(noise({last}))});
    } else {
      const int64_t out = 1 + static_cast<int64_t>(below(40));
      add(dims.rank() == 2 && chance(0.5) ? "Gemm" : "MatMul", {v, add_constant(noise({last, out}))});
    }
  }

  /// A node that moves elements, with parameters that fit.
  void move() {
    const ValueId v = random_value();
    const Tensor* t = tensor(v);
    if (t == nullptr || t->dims().rank() == 0) return;
    const Dims dims = t->dims();
    const auto axis = static_cast<int>(below(static_cast<size_t>(dims.rank())));
    const auto ints = [&](std::vector<int64_t> list) { return add_constant(Tensor::vector(list)); };
    switch (below(7)) {
      case 0: {
        const int64_t n = dims[axis], begin = static_cast<int64_t>(below(static_cast<size_t>(n)));
        add("Slice",
            {v, ints({begin}), ints({chance(0.3) ? INT64_MAX : n}), ints({chance(0.5) ? axis : axis - dims.rank()}), ints({1})});
        break;
      }
      case 1:
        add("Reshape", {v, ints(chance(0.5) ? std::vector<int64_t>{-1} : std::vector<int64_t>{0, -1})});
        break;
      case 2:
        add("Unsqueeze", {v, ints({axis})});
        break;
      case 3: {
        const Op& op = *ops::get("Transpose");
        std::vector<int64_t> order(static_cast<size_t>(dims.rank()));
        std::iota(order.begin(), order.end(), int64_t{0});
        std::shuffle(order.begin(), order.end(), random_);
        Attrs attrs(op.OpInfo::attrs);
        if (attrs.set("perm", ir::AttrValue(order))) add(op, std::move(attrs), {v}, 1);
        break;
      }
      case 4: {
        std::vector<int64_t> pads(2 * static_cast<size_t>(dims.rank()), 0);
        for (int64_t& p : pads) p = chance(0.4) ? static_cast<int64_t>(below(3)) : 0;
        add("Pad", {v, ints(pads)});
        break;
      }
      case 5: {
        const Op& op = *ops::get("Split");
        Attrs attrs(op.OpInfo::attrs);
        if (dims[axis] < 2 || !attrs.set("axis", ir::AttrValue(int64_t{axis})) ||
            !attrs.set("num_outputs", ir::AttrValue(int64_t{2})))
          return;
        add(op, std::move(attrs), {v}, 2);
        break;
      }
      default:
        add("Expand", {v, ints({2, 1})});
    }
  }

  /// Two values, or one and a constant that broadcasts into it.
  void join() {
    const ValueId a = random_value();
    const Tensor* t = tensor(a);
    if (t == nullptr) return;
    ValueId b = random_value();
    if (chance(0.5)) {
      Dims dims = t->dims();
      const size_t how = below(4);
      for (int i = 0; i < dims.rank(); ++i) {
        if (how == 0 || (how == 1 && i != 1) || (how == 2 && i != dims.rank() - 1)) dims[i] = 1;
      }
      if (how == 0 && chance(0.5)) dims = {};
      if (t->type() == ElementType::string) return;
      b = add_constant(noise(dims, t->type()));
    }
    std::vector<ValueId> inputs{a, b};
    if (chance(0.5)) std::swap(inputs[0], inputs[1]);
    const std::string_view name = kBinary[below(std::size(kBinary))];
    if (name != "Concat") {
      add(name, std::move(inputs));
      return;
    }
    const Op& op = *ops::get(name);
    Attrs attrs(op.OpInfo::attrs);
    if (t->dims().rank() > 0 &&
        attrs.set("axis", ir::AttrValue(static_cast<int64_t>(below(static_cast<size_t>(t->dims().rank()))))))
      add(op, std::move(attrs), std::move(inputs), 1);
  }

  /// What nobody reads, and some of the rest, become outputs.
  void give_out() {
    const auto consumers = graph_.consumers();
    for (ValueId v = 0; v < graph_.value_count(); ++v) {
      const NodeId producer = graph_.value(v).producer;
      if (producer == kNone || !graph_.node(producer).alive() || graph_.is_output(v)) continue;
      if (consumers[v].empty() || chance(0.1)) graph_.add_output(v, fmt::format("y{}", v));
    }
  }

  const std::vector<Seed>& seeds_;
  std::mt19937_64 random_;
  ir::Graph graph_;
  std::vector<Value> inputs_;
  std::deque<Value> values_;  ///< by value id; growing leaves each where it is
  std::vector<bool> exact_;   ///< no rounding has touched it
};

}  // namespace

bool only_moves(const Op& op) {
  return op.has(ir::OpInfo::kView) || kMoves.count(op.name) != 0;
}

Trial generate(const std::vector<Seed>& seeds, uint64_t seed, uint64_t number) {
  return Grower(seeds, seed, number).run();
}

}  // namespace slipway::differential

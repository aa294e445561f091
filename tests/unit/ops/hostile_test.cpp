// Every operator's samples, mutated: wrong shapes, values, attributes and missing inputs end in an error or in a result that
// agrees with inference, never in a crash.
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "ops/evaluate.hpp"
#include "ops/registry.hpp"

namespace slipway::ops {
namespace {

constexpr uint32_t kMutantsPerSample = 40;
constexpr int64_t kLargestOutput = 1 << 16;

class Mutator {
 public:
  explicit Mutator(uint32_t seed) : random_(seed) {}

  Sample mutate(const Op& op, Sample sample) {
    for (int n = 1 + pick(2); n > 0; --n) {
      switch (pick(4)) {
        case 0:
          change_shape(sample);
          break;
        case 1:
          change_value(sample);
          break;
        case 2:
          change_attribute(sample);
          break;
        default:
          drop_input(op, sample);
          break;
      }
    }
    return sample;
  }

 private:
  int pick(int below) { return below <= 0 ? 0 : static_cast<int>(random_() % static_cast<uint32_t>(below)); }
  template <class T, size_t N>
  T one_of(const T (&values)[N]) {
    return values[pick(static_cast<int>(N))];
  }
  int64_t odd_number() {
    using Limits = std::numeric_limits<int64_t>;
    static constexpr int64_t kOdd[] = {0, 1, -1, 2, 3, -2, 7, -9, 100, int64_t{1} << 33, Limits::max(), Limits::min()};
    return one_of(kOdd);
  }
  Tensor* some_tensor(Sample& s) {
    if (s.inputs.empty()) return nullptr;
    return s.inputs[static_cast<size_t>(pick(static_cast<int>(s.inputs.size())))].value.tensor();
  }

  void change_shape(Sample& s) {
    Tensor* t = some_tensor(s);
    if (t == nullptr || t->type() == ElementType::string) return;
    Dims d = t->dims();
    static constexpr int64_t kExtents[] = {0, 1, 2, 3, 5};
    const int kind = pick(3);
    if (kind == 0 && d.rank() > 0) {
      d[pick(d.rank())] = one_of(kExtents);
    } else if (kind == 1 && d.rank() > 0) {
      d = Dims(std::span(d.begin(), d.end() - 1));
    } else {
      d.push_back(one_of(kExtents));
    }
    Tensor changed(t->type(), d);
    if (t->count() > 0) {
      for (int64_t i = 0; i < changed.count(); ++i) copy_element(changed, i, *t, i % t->count());
    }
    *t = std::move(changed);
  }

  void change_value(Sample& s) {
    Tensor* t = some_tensor(s);
    if (t == nullptr || t->count() == 0 || t->type() == ElementType::string) return;
    *t = t->clone();
    const int64_t at = pick(static_cast<int>(t->count()));
    using Limits = std::numeric_limits<double>;
    static constexpr double kOddReals[] = {0, -1, 1e30, -1e30, Limits::infinity(), Limits::quiet_NaN()};
    if (is_float(t->type())) store<double>(*t, at, one_of(kOddReals));
    if (is_integer(t->type())) store<int64_t>(*t, at, odd_number());
  }

  void change_attribute(Sample& s) {
    const std::vector<ir::AttrEntry> entries = s.attrs.entries();
    if (entries.empty()) return;
    const ir::AttrEntry& entry = entries[static_cast<size_t>(pick(static_cast<int>(entries.size())))];
    ir::AttrValue value = entry.value;
    if (auto* list = std::get_if<std::vector<int64_t>>(&value)) {
      if (list->empty() || pick(2) == 0) {
        list->push_back(odd_number());
      } else {
        (*list)[static_cast<size_t>(pick(static_cast<int>(list->size())))] = odd_number();
      }
    } else if (auto* text = std::get_if<std::string>(&value)) {
      *text += "x";
    } else if (auto* real = std::get_if<float>(&value)) {
      *real = pick(2) == 0 ? 0.0f : std::numeric_limits<float>::quiet_NaN();
    } else if (value.index() <= 1) {
      value = odd_number();
    }
    [[maybe_unused]] const Status set = s.attrs.set(entry.name, value);  // what does not fit the attribute changes nothing
  }

  void drop_input(const Op& op, Sample& s) {
    if (s.inputs.empty()) return;
    const auto i = static_cast<size_t>(pick(static_cast<int>(s.inputs.size())));
    const Port* port = op.input_port(i);
    if (port != nullptr && port->optional && !port->variadic) s.inputs[i].value = Value();
  }

  std::mt19937 random_;
};

/// The sample's node alone; its inputs are constant, so that inference sees every value.
ir::Graph graph_of(const Op& op, const Sample& sample) {
  ir::Graph graph;
  std::vector<ir::ValueId> inputs;
  for (const SampleInput& input : sample.inputs) {
    inputs.push_back(input.value.tensor() == nullptr ? ir::kNone : graph.add_constant("x", *input.value.tensor()));
  }
  const ir::NodeId node = graph.add_node(&op, "node", sample.attrs, std::move(inputs), sample.outputs);
  for (size_t i = 0; i < sample.outputs; ++i) graph.add_output(graph.node(node).outputs[i], "y" + std::to_string(i));
  return graph;
}

bool is_small(const ir::Graph& graph) {
  for (ir::ValueId v : graph.outputs()) {
    const Fact& fact = graph.value(v).fact;
    if (!fact.shape) continue;
    std::vector<int64_t> extents;
    for (const Dim d : *fact.shape) extents.push_back(d.known() ? d.value() : 1);
    if (checked_count(extents, kLargestOutput) < 0) return false;
  }
  return true;
}

void check(const Op& op, const Sample& sample) {
  ir::Graph graph = graph_of(op, sample);
  std::vector<const Fact*> facts;
  for (ir::ValueId v : graph.node(0).inputs) facts.push_back(v == ir::kNone ? nullptr : &graph.value(v).fact);
  if (!check_types(op, facts)) return;
  const Status inferred = ir::infer_all(graph);
  if (!inferred) {
    EXPECT_FALSE(inferred.error().message.empty());
    return;
  }
  if (!is_small(graph)) return;
  const Result<std::vector<Value>> outputs = evaluate(graph, {});
  if (!outputs) {
    EXPECT_FALSE(outputs.error().message.empty());
    return;
  }
  for (size_t i = 0; i < outputs->size(); ++i) {
    const Tensor* t = (*outputs)[i].tensor();
    const Fact& expected = graph.value(graph.outputs()[i]).fact;
    if (t == nullptr || !expected.is_tensor()) continue;
    EXPECT_TRUE(ir::compatible(expected, Fact::tensor(t->type(), t->dims())))
        << "output " << i << " is inferred as " << ir::to_string(expected) << " and comes out as " << to_string(t->dims());
  }
}

class Hostile : public testing::TestWithParam<const Op*> {};

TEST_P(Hostile, MutantsEndWell) {
  const Op& op = *GetParam();
  if (op.has(ir::OpInfo::kHasSubgraph) || op.has(ir::OpInfo::kGroup)) GTEST_SKIP() << "sub-graphs are not mutated";
  for (const Sample& sample : op.make_samples()) {
    const auto is_plain = [](const SampleInput& i) { return !i.value.has_value() || i.value.tensor() != nullptr; };
    if (!std::all_of(sample.inputs.begin(), sample.inputs.end(), is_plain)) continue;
    for (uint32_t seed = 0; seed < kMutantsPerSample; ++seed) {
      SCOPED_TRACE(sample.label + ", mutant " + std::to_string(seed));
      check(op, Mutator(seed * 7919 + 1).mutate(op, sample));
      if (HasFailure()) return;
    }
  }
}

std::string test_name(const testing::TestParamInfo<const Op*>& info) {
  std::string domain(info.param->domain);
  for (char& c : domain) c = c == '.' ? '_' : c;
  return domain + "_" + std::string(info.param->name);
}
INSTANTIATE_TEST_SUITE_P(Ops, Hostile, testing::ValuesIn(all()), test_name);

}  // namespace
}  // namespace slipway::ops

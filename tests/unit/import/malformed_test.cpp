// Models that say something wrong: every one is refused at import, with one sentence that names the node or value and the reason.
// Some forty good models of one node each are made wrong in every way that applies; what is wrong in one operator only follows.
// (Declared shapes of results outlive edits of a model: they are not held against it.)
#include <algorithm>
#include <set>

#include "unit/import/import_model.hpp"
#include "unit/import/proto_writer.hpp"

namespace slipway::test {
namespace {

constexpr int kString = 8, kU8 = 2;

struct In {
  int type;
  std::vector<Extent> shape;
  std::string data = {};  ///< of a constant
};
struct Out {
  int type;
  std::vector<Extent> shape;
};
/// A good node: inputs "i0", "i1", ..., outputs "o0", "o1", ...
struct Usage {
  std::string op;
  std::vector<In> inputs;
  std::vector<Out> outputs;
  std::vector<Message> attributes = {};
  std::string domain = {};
};

std::string name_of(char kind, size_t i) {
  return kind + std::to_string(i);
}

/// The file's parts, to be made wrong before they are put together.
struct Parts {
  explicit Parts(const Usage& usage) : op(usage.op), domain(usage.domain), attributes(usage.attributes) {
    for (size_t i = 0; i < usage.inputs.size(); ++i) {
      const In& in = usage.inputs[i];
      inputs.push_back(name_of('i', i));
      if (in.data.empty()) {
        ins.push_back(value(inputs.back(), in.type, in.shape));
      } else {
        Message dims;
        for (const Extent& e : in.shape) dims.varint(static_cast<uint64_t>(std::get<int64_t>(e)));
        constants.push_back(Message().add(1, dims).integer(2, in.type).bytes(8, inputs.back()).bytes(9, in.data));
      }
    }
    for (size_t i = 0; i < usage.outputs.size(); ++i) {
      outputs.push_back(name_of('o', i));
      outs.push_back(value(outputs.back(), usage.outputs[i].type, usage.outputs[i].shape));
    }
  }
  std::string bytes() const {
    Message n;
    for (const std::string& s : inputs) n.bytes(1, s);
    for (const std::string& s : outputs) n.bytes(2, s);
    n.bytes(3, "victim").bytes(4, op);
    for (const Message& a : attributes) n.add(5, a);
    if (!domain.empty()) n.bytes(7, domain);
    std::vector<Message> nodes = before;
    nodes.push_back(n);
    for (const Message& m : after) nodes.push_back(m);
    return model(graph({nodes, ins, outs, constants}), {.opset = opset_version, .opsets = opsets});
  }

  std::string op, domain;
  std::vector<std::string> inputs, outputs;
  std::vector<Message> attributes, ins, outs, constants, before, after, opsets;
  int64_t opset_version = 17;
};

std::string one_byte_less(std::string text) {
  text.pop_back();
  return text;
}

std::vector<Usage> usages() {
  const std::vector<Extent> image = {1, 4, 6, 6}, row = {2, 3}, vec = {4};
  const auto ints = [](std::initializer_list<int64_t> v) { return In{kI64, {static_cast<int64_t>(v.size())}, raw(v)}; };
  const auto numbers = [](std::initializer_list<float> v) { return In{kF32, {static_cast<int64_t>(v.size())}, raw(v)}; };
  const In x{kF32, image}, m{kF32, row}, v{kF32, vec};
  return {
      {"Conv", {x, {kF32, {2, 4, 3, 3}}}, {{kF32, {1, 2, 4, 4}}}, {attr_ints("strides", {1, 1})}},
      {"ConvTranspose", {x, {kF32, {4, 2, 2, 2}}}, {{kF32, {1, 2, 7, 7}}}, {attr_int("group", 1)}},
      {"MaxPool", {x}, {{kF32, {1, 4, 5, 5}}}, {attr_ints("kernel_shape", {2, 2})}},
      {"AveragePool", {x}, {{kF32, {1, 4, 5, 5}}}, {attr_ints("kernel_shape", {2, 2})}},
      {"GlobalAveragePool", {x}, {{kF32, {1, 4, 1, 1}}}},
      {"BatchNormalization", {x, v, v, v, v}, {{kF32, image}}, {attr_float("epsilon", 1e-3F)}},
      {"InstanceNormalization", {x, v, v}, {{kF32, image}}},
      {"LayerNormalization", {m, {kF32, {3}}}, {{kF32, row}}, {attr_int("axis", -1)}},
      {"Gemm", {m, {kF32, {3, 5}}}, {{kF32, {2, 5}}}, {attr_int("transA", 0)}},
      {"MatMul", {m, {kF32, {3, 5}}}, {{kF32, {2, 5}}}},
      {"Add", {m, m}, {{kF32, row}}},
      {"Mul", {m, {kF32, {3}}}, {{kF32, row}}},
      {"Pow", {m, m}, {{kF32, row}}},
      {"Relu", {m}, {{kF32, row}}},
      {"Sigmoid", {m}, {{kF32, row}}},
      {"PRelu", {m, m}, {{kF32, row}}},
      {"Clip", {m, {kF32, {}}, {kF32, {}}}, {{kF32, row}}},
      {"Softmax", {m}, {{kF32, row}}, {attr_int("axis", 1)}},
      {"Concat", {m, m}, {{kF32, {4, 3}}}, {attr_int("axis", 0)}},
      {"Split", {{kF32, {4, 2}}}, {{kF32, {2, 2}}, {kF32, {2, 2}}}, {attr_int("axis", 0)}},
      {"Slice", {m, ints({0}), ints({1}), ints({0})}, {{kF32, {1, 3}}}},
      {"Gather", {m, {kI64, {2}}}, {{kF32, {2, 3}}}, {attr_int("axis", 0)}},
      {"GatherElements", {m, {kI64, row}}, {{kF32, row}}, {attr_int("axis", 1)}},
      {"GatherND", {m, {kI64, {4, 1}}}, {{kF32, {4, 3}}}},
      {"ScatterND", {m, {kI64, {1, 1}}, {kF32, {1, 3}}}, {{kF32, row}}},
      {"Reshape", {m, ints({3, 2})}, {{kF32, {3, 2}}}},
      {"Transpose", {m}, {{kF32, {3, 2}}}, {attr_ints("perm", {1, 0})}},
      {"Flatten", {x}, {{kF32, {1, 144}}}, {attr_int("axis", 1)}},
      {"Squeeze", {{kF32, {1, 3}}, ints({0})}, {{kF32, {3}}}},
      {"Unsqueeze", {m, ints({0})}, {{kF32, {1, 2, 3}}}},
      {"Expand", {m, ints({2, 3})}, {{kF32, row}}},
      {"Tile", {m, ints({1, 2})}, {{kF32, {2, 6}}}},
      {"Pad", {m, ints({0, 1, 0, 1})}, {{kF32, {2, 5}}}, {attr_string("mode", "constant")}},
      {"Where", {{kBool, row}, m, m}, {{kF32, row}}},
      {"Equal", {m, m}, {{kBool, row}}},
      {"Cast", {m}, {{kI64, row}}, {attr_int("to", kI64)}},
      {"ReduceSum", {m, ints({1})}, {{kF32, {2, 1}}}, {attr_int("keepdims", 1)}},
      {"ReduceMean", {m}, {{kF32, {1, 1}}}, {attr_int("keepdims", 1)}},
      {"ArgMax", {m}, {{kI64, {1, 3}}}, {attr_int("axis", 0)}},
      {"TopK", {m, ints({2})}, {{kF32, {2, 2}}, {kI64, {2, 2}}}, {attr_int("axis", -1)}},
      {"CumSum", {m, {kI64, {}, raw<int64_t>({1})}}, {{kF32, row}}, {attr_int("reverse", 0)}},
      {"DepthToSpace", {x}, {{kF32, {1, 1, 12, 12}}}, {attr_int("blocksize", 2)}},
      {"Resize", {x, {kF32, {0}}, numbers({1, 1, 2, 2})}, {{kF32, {1, 4, 12, 12}}}, {attr_string("mode", "nearest")}},
      {"QuantizeLinear", {m, {kF32, {}}, {kU8, {}}}, {{kU8, row}}, {attr_int("axis", 0)}},
      {"DequantizeLinear", {{kU8, row}, {kF32, {}}, {kU8, {}}}, {{kF32, row}}, {attr_int("axis", 0)}},
      {"LSTM", {{kF32, {5, 1, 3}}, {kF32, {1, 8, 3}}, {kF32, {1, 8, 2}}}, {{kF32, {5, 1, 1, 2}}}, {attr_int("hidden_size", 2)}},
  };
}

struct Mutation {
  std::string_view name;
  bool (*apply)(Parts&, const Usage&);  ///< false: does not apply
  bool names_the_node = true;
};

const Mutation kMutations[] = {
    {"an input that nobody makes", [](Parts& p, const Usage&) { return p.inputs[0] = "nowhere", true; }},
    {"no inputs", [](Parts& p, const Usage&) { return p.inputs.clear(), true; }},
    {"far too many inputs",
     [](Parts& p, const Usage& u) {
       if (u.op == "Concat") return false;
       for (int i = 0; i < 12; ++i) p.inputs.push_back(p.inputs[0]);
       return true;
     }},
    {"no outputs", [](Parts& p, const Usage& u) { return u.op != "LSTM" && (p.outputs.clear(), true); }},
    {"far too many outputs",
     [](Parts& p, const Usage& u) {
       if (u.op == "Split") return false;
       for (int i = 0; i < 12; ++i) p.outputs.push_back("more" + std::to_string(i));
       return true;
     }},
    {"a first input of strings",
     [](Parts& p, const Usage& u) {
       static const std::set<std::string_view> any = {
           "Cast", "Concat",  "Split",     "Slice",   "Gather",  "GatherElements", "GatherND", "ScatterND",    "Pad",
           "Tile", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze",      "Expand",   "DepthToSpace", "Resize"};
       if (any.count(u.op) != 0) return false;
       p.ins[0] = value("i0", kString, u.inputs[0].shape);
       return true;
     }},
    {"two inputs of different types",
     [](Parts& p, const Usage& u) {
       if (u.inputs.size() < 2 || !u.inputs[1].data.empty() || u.op == "Pow") return false;
       p.ins[1] = value("i1", kBool, u.inputs[1].shape);
       return true;
     }},
    {"an attribute of a wrong kind",
     [](Parts& p, const Usage& u) {
       if (u.attributes.empty()) return false;
       const std::string text = u.attributes[0].text();
       const std::string attribute = text.substr(2, static_cast<size_t>(text[1]));
       p.attributes[0] = attr_tensor(attribute, floats("", {1}, {1}));
       return true;
     }},
    {"an attribute given twice",
     [](Parts& p, const Usage& u) { return !u.attributes.empty() && (p.attributes.push_back(u.attributes[0]), true); }},
    {"an attribute that the operator does not have",
     [](Parts& p, const Usage&) { return p.attributes.push_back(attr_int("no_such_attribute", 1)), true; }},
    {"an output of another type than declared",
     [](Parts& p, const Usage& u) { return p.outs[0] = value("o0", kString, u.outputs[0].shape), true; }},
    {"a cycle through itself", [](Parts& p, const Usage&) { return p.inputs[0] = "o0", true; }},
    {"a cycle through another node",
     [](Parts& p, const Usage&) {
       p.inputs[0] = "back";
       p.after.push_back(node({"Identity", {"o0"}, {"back"}, "other"}));
       return true;
     }},
    {"an output that stands twice",
     [](Parts& p, const Usage&) {
       return p.after.push_back(node({"Identity", {"i0"}, {"o0"}, "victim2"})), true;
     }},
    {"an output that is an input, too", [](Parts& p, const Usage&) { return p.outputs[0] = "i0", true; }},
    {"an operator that does not exist", [](Parts& p, const Usage&) { return p.op += "Wrong", true; }},
    {"a domain that does not exist", [](Parts& p, const Usage&) { return p.domain = "no.such.domain", true; }},
    {"a result that nobody makes", [](Parts& p, const Usage&) { return p.outs.push_back(value("nowhere", kF32, {1})), true; },
     false},
    {"an opset that is not known yet", [](Parts& p, const Usage&) { return p.opset_version = 9999, true; }, false},
    {"a constant with too few bytes",
     [](Parts& p, const Usage& u) {
       if (p.constants.empty()) return false;
       const In& in = *std::find_if(u.inputs.begin(), u.inputs.end(), [](const In& i) { return !i.data.empty(); });
       In shorter = in;
       shorter.data = one_byte_less(in.data);
       Usage changed = u;
       for (In& i : changed.inputs) {
         if (!i.data.empty()) i = shorter;
       }
       p.constants = Parts(changed).constants;
       return true;
     },
     false},
    {"an input of a type that does not exist",
     [](Parts& p, const Usage& u) { return u.inputs[0].data.empty() && (p.ins[0] = value("i0", 99, u.inputs[0].shape), true); },
     false},
};

void expect_clear(const std::string& bytes, bool names_the_node) {
  const Result<ir::Graph> graph = import_text(bytes);
  if (graph) {
    ADD_FAILURE() << "it was taken";
    return;
  }
  const std::string text = graph.error().text();
  EXPECT_NE(graph.error().code, ErrorCode::internal) << text;
  EXPECT_GT(text.size(), 20u) << text;
  EXPECT_LT(text.size(), 1500u) << text;
  if (names_the_node) {
    EXPECT_HAS(text, "victim");
  }
}

TEST(MalformedModel, TheGoodOnesAreGood) {
  for (const Usage& usage : usages()) {
    SCOPED_TRACE(usage.op);
    import_good(Parts(usage).bytes());
  }
}

TEST(MalformedModel, EveryWayToBeWrongIsToldClearly) {
  size_t models = 0;
  for (const Usage& usage : usages()) {
    for (const Mutation& mutation : kMutations) {
      Parts parts(usage);
      if (!mutation.apply(parts, usage)) continue;
      SCOPED_TRACE(usage.op + " with " + std::string(mutation.name));
      expect_clear(parts.bytes(), mutation.names_the_node);
      ++models;
    }
  }
  EXPECT_GE(models, 300u);
}

// ---- wrong in one operator

struct Wrong {
  std::string_view what;
  Usage usage;
};

std::vector<Wrong> wrong_ones() {
  const std::vector<Extent> image = {1, 4, 6, 6}, row = {2, 3};
  const auto ints = [](std::initializer_list<int64_t> v) { return In{kI64, {static_cast<int64_t>(v.size())}, raw(v)}; };
  const In x{kF32, image}, m{kF32, row};
  const Out any{kF32, {}};
  const std::vector<Extent> filter = {2, 4, 3, 3};
  return {
      {"channels that differ", {"Conv", {x, {kF32, {2, 5, 3, 3}}}, {any}}},
      {"a filter of another rank", {"Conv", {x, {kF32, {2, 4, 3}}}, {any}}},
      {"no groups", {"Conv", {x, {kF32, filter}}, {any}, {attr_int("group", 0)}}},
      {"groups that do not divide", {"Conv", {x, {kF32, filter}}, {any}, {attr_int("group", 3)}}},
      {"a stride of nothing", {"Conv", {x, {kF32, filter}}, {any}, {attr_ints("strides", {0, 1})}}},
      {"a dilation below one", {"Conv", {x, {kF32, filter}}, {any}, {attr_ints("dilations", {-1, 1})}}},
      {"pads for one axis", {"Conv", {x, {kF32, filter}}, {any}, {attr_ints("pads", {1, 1})}}},
      {"a kernel_shape against the filter", {"Conv", {x, {kF32, filter}}, {any}, {attr_ints("kernel_shape", {5, 5})}}},
      {"an auto_pad of no meaning", {"Conv", {x, {kF32, filter}}, {any}, {attr_string("auto_pad", "SOMEHOW")}}},
      {"a kernel larger than the image", {"Conv", {x, {kF32, {2, 4, 9, 9}}}, {any}}},
      {"a bias of another length", {"Conv", {x, {kF32, filter}, {kF32, {3}}}, {any}}},
      {"a window of no extent", {"MaxPool", {x}, {any}, {attr_ints("kernel_shape", {0, 2})}}},
      {"a window of another rank", {"MaxPool", {x}, {any}, {attr_ints("kernel_shape", {2})}}},
      {"no window", {"AveragePool", {x}, {any}}},
      {"no pixels", {"GlobalAveragePool", {{kF32, {4}}}, {any}}},
      {"inner extents that differ", {"MatMul", {m, {kF32, {4, 5}}}, {any}}},
      {"a product of scalars", {"MatMul", {{kF32, {}}, m}, {any}}},
      {"three axes in a Gemm", {"Gemm", {{kF32, {1, 2, 3}}, {kF32, {3, 5}}}, {any}}},
      {"inner extents that differ", {"Gemm", {m, {kF32, {2, 5}}}, {any}}},
      {"extents that do not broadcast", {"Add", {m, {kF32, {4}}}, {any}}},
      {"extents that do not broadcast", {"Where", {{kBool, {5}}, m, m}, {any}}},
      {"a condition that is none", {"Where", {m, m, m}, {any}}},
      {"an axis out of range", {"Softmax", {m}, {any}, {attr_int("axis", 2)}}},
      {"an axis out of range", {"Concat", {m, m}, {any}, {attr_int("axis", 5)}}},
      {"extents that differ", {"Concat", {m, {kF32, {2, 4}}}, {any}, {attr_int("axis", 0)}}},
      {"ranks that differ", {"Concat", {m, {kF32, {2}}}, {any}, {attr_int("axis", 0)}}},
      {"no axis", {"Concat", {m, m}, {any}}},
      {"parts that do not add up", {"Split", {m, ints({1, 3})}, {any, any}, {attr_int("axis", 1)}}},
      {"a negative part", {"Split", {m, ints({-1, 4})}, {any, any}, {attr_int("axis", 1)}}},
      {"an axis out of range", {"Gather", {m, {kI64, {2}}}, {any}, {attr_int("axis", -3)}}},
      {"indices that are no integers", {"Gather", {m, {kF32, {2}}}, {any}}},
      {"a last index axis too long", {"GatherND", {m, {kI64, {4, 3}}}, {any}}},
      {"updates of another rank", {"ScatterND", {m, {kI64, {1, 1}}, {kF32, {3}}}, {any}}},
      {"a count that differs", {"Reshape", {m, ints({4, 2})}, {any}}},
      {"two open extents", {"Reshape", {m, ints({-1, -1})}, {any}}},
      {"an extent below -1", {"Reshape", {m, ints({-2, 3})}, {any}}},
      {"a copied axis that is not there", {"Reshape", {m, ints({2, 3, 0})}, {any}}},
      {"a permutation with a repeat", {"Transpose", {m}, {any}, {attr_ints("perm", {0, 0})}}},
      {"a permutation too short", {"Transpose", {m}, {any}, {attr_ints("perm", {0})}}},
      {"an axis out of range", {"Flatten", {m}, {any}, {attr_int("axis", 3)}}},
      {"an axis that is not one", {"Squeeze", {m, ints({0})}, {any}}},
      {"an axis twice", {"Unsqueeze", {m, ints({0, 0})}, {any}}},
      {"an axis out of range", {"Unsqueeze", {m, ints({9})}, {any}}},
      {"a shape that does not fit", {"Expand", {m, ints({5, 3})}, {any}}},
      {"a negative extent", {"Expand", {m, ints({-2, 3})}, {any}}},
      {"repeats for one axis", {"Tile", {m, ints({2})}, {any}}},
      {"negative repeats", {"Tile", {m, ints({1, -2})}, {any}}},
      {"pads for one axis", {"Pad", {m, ints({1, 1})}, {any}}},
      {"a mode of no meaning", {"Pad", {m, ints({0, 1, 0, 1})}, {any}, {attr_string("mode", "mirrored")}}},
      {"more cut off than there is", {"Pad", {m, ints({-5, 0, 0, 0})}, {any}}},
      {"no such type", {"Cast", {m}, {any}, {attr_int("to", 99)}}},
      {"no target type", {"Cast", {m}, {any}}},
      {"an axis out of range", {"ReduceSum", {m, ints({2})}, {any}}},
      {"an axis out of range", {"ArgMax", {m}, {any}, {attr_int("axis", 4)}}},
      {"more than there are", {"TopK", {m, ints({4})}, {any, {kI64, {}}}}},
      {"fewer than none", {"TopK", {m, ints({-1})}, {any, {kI64, {}}}}},
      {"channels that do not divide", {"DepthToSpace", {x}, {any}, {attr_int("blocksize", 3)}}},
      {"a block of nothing", {"DepthToSpace", {x}, {any}, {attr_int("blocksize", 0)}}},
      {"no block size", {"DepthToSpace", {x}, {any}}},
      {"scales for one axis", {"Resize", {x, {kF32, {0}}, In{kF32, {1}, raw<float>({2})}}, {any}}},
      {"a scale of nothing", {"Resize", {x, {kF32, {0}}, In{kF32, {4}, raw<float>({1, 1, 0, 1})}}, {any}}},
      {"a mode of no meaning",
       {"Resize", {x, {kF32, {0}}, In{kF32, {4}, raw<float>({1, 1, 2, 2})}}, {any}, {attr_string("mode", "magic")}}},
      {"a step of nothing", {"Slice", {m, ints({0}), ints({1}), ints({0}), ints({0})}, {any}}},
      {"an axis out of range", {"Slice", {m, ints({0}), ints({1}), ints({7})}, {any}}},
      {"lists of different lengths", {"Slice", {m, ints({0, 0}), ints({1}), ints({0})}, {any}}},
      {"statistics of another length", {"BatchNormalization", {x, {kF32, {4}}, {kF32, {4}}, {kF32, {5}}, {kF32, {4}}}, {any}}},
      {"a scale of another length", {"LayerNormalization", {m, {kF32, {4}}}, {any}}},
      {"gates that do not fit",
       {"LSTM", {{kF32, {5, 1, 3}}, {kF32, {1, 7, 3}}, {kF32, {1, 8, 2}}}, {any}, {attr_int("hidden_size", 2)}}},
      {"a direction of no meaning",
       {"LSTM",
        {{kF32, {5, 1, 3}}, {kF32, {1, 8, 3}}, {kF32, {1, 8, 2}}},
        {any},
        {attr_int("hidden_size", 2), attr_string("direction", "up")}}},
      {"a formula of no meaning", {"Einsum", {m, m}, {any}, {attr_string("equation", "ij,jk-ik")}}},
      {"a formula of another rank", {"Einsum", {m, m}, {any}, {attr_string("equation", "ijk,jk->ik")}}},
      {"no formula", {"Einsum", {m, m}, {any}}},
      {"an If without branches", {"If", {{kBool, {}}}, {any}}},
      {"a Loop without body", {"Loop", {{kI64, {}}, {kBool, {}}, m}, {any}}},
      {"negative extents", {"ConstantOfShape", {ints({-4})}, {any}}},
      {"a step of nothing",
       {"Range",
        {In{kI64, {}, raw<int64_t>({0})}, In{kI64, {}, raw<int64_t>({5})}, In{kI64, {}, raw<int64_t>({0})}},
        {{kI64, {}}}}},
      {"a depth below one", {"OneHot", {{kI64, {2}}, In{kI64, {}, raw<int64_t>({-3})}, {kF32, {2}}}, {any}}},
  };
}

TEST(MalformedModel, WhatIsWrongInOneOperatorOnly) {
  for (Wrong& wrong : wrong_ones()) {
    SCOPED_TRACE(wrong.usage.op + " with " + std::string(wrong.what));
    Parts parts(wrong.usage);
    for (size_t i = 0; i < parts.outs.size(); ++i) {  // any shape
      parts.outs[i] =
          Message().bytes(1, parts.outputs[i]).add(2, Message().add(1, Message().integer(1, wrong.usage.outputs[i].type)));
    }
    expect_clear(parts.bytes(), true);
  }
}

}  // namespace
}  // namespace slipway::test

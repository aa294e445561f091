// Op: the one description of an operator. ONNX reading, type checks, shape inference, reference, conformance tests, fuzz and
// bench cases, the text form, serialisation and the docs page all come from it.
//
// One .cpp per family; its stem is the family function, found by file name (nothing else is edited):
//
//   namespace slipway::ops {
//   namespace { Status infer_gather(ir::InferContext& c) {...}  Status run_gather(RefContext& c) {...}  std::vector<Sample>
//   samples() {...} } OpFamily gather() {
//     return {Op("Gather", {1, 11, 13}).attrs<GatherAttrs>().in("data", kAll).in("indices", kIndex, 'I').out("output")
//                 .infer(infer_gather).reference(run_gather).samples(samples)};
//   }
//   }  // namespace slipway::ops
#pragma once

#include <string_view>
#include <vector>

#include "ir/graph.hpp"
#include "ir/op_info.hpp"

namespace slipway::ops {

using namespace type_sets;
using ir::Attrs;
using ir::Dim;
using ir::Fact;
using ir::field;
using ir::InferContext;
using ir::NoAttrs;
using ir::Shape;
using ir::Value;

class RefContext;
class OnnxNode;

/// An input or output of an operator. Ports with the same `group` letter have one element type; group 0: free within `types`.
struct Port {
  std::string_view name;
  TypeSet types = 0;
  char group = 'T';
  bool optional = false;
  bool variadic = false;                         ///< the last port only: stands for any number (at least one unless optional)
  ir::Fact::Kind kind = ir::Fact::Kind::tensor;  ///< unknown: any kind (tensor, sequence, ...)
};

/// One input of a Sample. An absent optional input is a default-made Value.
struct SampleInput {
  Value value;
  bool constant = false;  ///< stands as an initialiser in the sample's graph
};

/// A small valid use of an operator: the seed of conformance tests, fuzzing and benchmarks.
struct Sample {
  std::string label;  ///< unique within the operator, such as "axis1_neg_indices"
  Attrs attrs;
  std::vector<SampleInput> inputs;
  size_t outputs = 1;
};

/// How far a fast kernel may stray from the reference.
enum class Tolerance : uint8_t {
  exact,     ///< same bits: moves, integers, comparisons, correctly rounded single operations
  rounding,  ///< a few rounding errors of sums or approximations, relative to the output's scale
  random,    ///< only type, shape and range can be compared
};

class Op : public ir::OpInfo {
 public:
  /// `versions`: every since-version of the standard that the importer understands, oldest first. The last is the Graph's
  /// meaning.
  Op(std::string_view op_name, std::vector<int> since_versions, std::string_view op_domain = "");

  template <class S>
  Op&& attrs() && {
    OpInfo::attrs = ir::attr_type<S>();
    return std::move(*this);
  }
  Op&& in(std::string_view port, TypeSet types, char group = 'T') && { return add_in({port, types, group, false, false}); }
  Op&& opt(std::string_view port, TypeSet types, char group = 'T') && { return add_in({port, types, group, true, false}); }
  /// The last input, any number of times; `least` of them must be there.
  Op&& in_list(std::string_view port, TypeSet types, char group = 'T', int least = 1) &&;
  /// An input of any kind (sequence, map, optional, tensor).
  Op&& in_any(std::string_view port, bool optional = false) &&;
  Op&& in_any_list(std::string_view port, int least = 1) &&;
  /// types 0: the types of the group's inputs.
  Op&& out(std::string_view port, TypeSet types = 0, char group = 'T') && { return add_out({port, types, group, false, false}); }
  Op&& opt_out(std::string_view port, TypeSet types = 0, char group = 'T') && {
    return add_out({port, types, group, true, false});
  }
  Op&& out_list(std::string_view port, TypeSet types = 0, char group = 'T') && {
    return add_out({port, types, group, true, true});
  }
  Op&& out_any(std::string_view port) &&;
  Op&& out_any_list(std::string_view port) &&;
  Op&& flag(uint32_t f) && {
    flags |= f;
    return std::move(*this);
  }
  /// Shape inference reads the values of these inputs.
  template <class... I>
  Op&& reads_value(I... index) && {
    value_inputs = (value_inputs | ... | (1u << index));
    return std::move(*this);
  }
  Op&& infer(Status (*f)(InferContext&)) && {
    OpInfo::infer = f;
    return std::move(*this);
  }
  Op&& reference(Status (*f)(RefContext&)) && {
    reference_ = f;
    return std::move(*this);
  }
  Op&& samples(std::vector<Sample> (*f)()) && {
    samples_ = f;
    return std::move(*this);
  }
  /// Turns a node of an older version into the newest form; called only when the model's version is not the last.
  Op&& upgrade(Status (*f)(OnnxNode&)) && {
    upgrade_ = f;
    return std::move(*this);
  }
  Op&& tolerance(Tolerance t) && {
    tolerance_ = t;
    return std::move(*this);
  }
  Op&& doc(std::string_view one_line) && {
    doc_ = one_line;
    return std::move(*this);
  }

  const std::vector<int>& versions() const { return versions_; }
  const std::vector<Port>& inputs() const { return inputs_; }
  const std::vector<Port>& outputs() const { return outputs_; }
  /// The port that stands for input i (the variadic one for all from its place on); nullptr when beyond.
  const Port* input_port(size_t i) const;
  const Port* output_port(size_t i) const;
  Status run_reference(RefContext& context) const { return reference_(context); }
  bool has_reference() const { return reference_ != nullptr; }
  std::vector<Sample> make_samples() const { return samples_ == nullptr ? std::vector<Sample>{} : samples_(); }
  Status (*upgrade_function() const)(OnnxNode&) { return upgrade_; }
  Tolerance tolerance() const { return tolerance_; }
  std::string_view doc() const { return doc_; }

 private:
  Op&& add_in(Port port);
  Op&& add_out(Port port);

  std::vector<int> versions_;
  std::vector<Port> inputs_, outputs_;
  Status (*reference_)(RefContext&) = nullptr;
  std::vector<Sample> (*samples_)() = nullptr;
  Status (*upgrade_)(OnnxNode&) = nullptr;
  Tolerance tolerance_ = Tolerance::exact;
  std::string_view doc_;
};

/// The operators of one file.
using OpFamily = std::vector<Op>;

/// Checks the number of inputs and outputs and that no required input is absent (kNone).
Status check_arity(const Op& op, std::span<const ir::ValueId> inputs, size_t outputs);
/// Checks element types against the ports: every input in its set, equal letters equal types. Sentences name port and type.
Status check_types(const Op& op, std::span<const Fact* const> inputs);

}  // namespace slipway::ops

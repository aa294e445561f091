// The reference tactic: runs an op's own reference kernel (a group's body) on plain buffers. Accepts everything, costs more than
// all.
#include "base/error.hpp"
#include "kernels/registry.hpp"
#include "ops/evaluate.hpp"
#include "ops/registry.hpp"
#include "tactic/reorder.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;
using tactic::TensorDesc;

class RefKernel : public tactic::Kernel {
 public:
  RefKernel(const tactic::Query& query) : node_(query.node) {
    for (const TensorDesc& d : query.inputs) inputs_.push_back(hold(d));
    for (const TensorDesc& d : query.outputs) outputs_.push_back(hold(d));
  }

  // The one kernel that may allocate: references are written for clarity, not for speed.
  Fault run(const Exec& exec) const noexcept override {
    try {
      std::vector<ir::Value> values(inputs_.size()), results(outputs_.size());
      std::vector<const ir::Value*> arguments(inputs_.size(), nullptr);
      for (size_t i = 0; i < inputs_.size(); ++i) {
        if (inputs_[i].type == ElementType::undefined) continue;
        values[i] = ir::Value(Tensor(inputs_[i].type, inputs_[i].dims, nullptr, exec.inputs[i]));
        arguments[i] = &values[i];
      }
      for (size_t i = 0; i < outputs_.size(); ++i) {
        if (outputs_[i].type != ElementType::undefined) {
          results[i] = ir::Value(Tensor(outputs_[i].type, outputs_[i].dims, nullptr, exec.outputs[i]));
        }
      }
      ops::RefContext context(node_, arguments, results, ops::reference_runner());
      Status done = ops::op_of(node_).run_reference(context);
      if (!done) {
        *exec.fault_text = done.error().text();
        return Fault::invalid_value;
      }
      return copy_unbound(exec, results);
    } catch (const std::exception& e) {
      exec.fault_text->assign(e.what());
      return Fault::invalid_value;
    }
  }
  std::string describe() const override { return "reference"; }

 private:
  struct Held {
    ElementType type;
    Dims dims;
  };
  static Held hold(const TensorDesc& d) { return {d.type, d.dims}; }

  /// A reference that replaced its bound storage gave another type or shape than inference promised.
  Fault copy_unbound(const Exec& exec, const std::vector<ir::Value>& results) const {
    for (size_t i = 0; i < results.size(); ++i) {
      if (outputs_[i].type == ElementType::undefined) continue;
      const Tensor* t = results[i].tensor();
      if (t != nullptr && t->data() == exec.outputs[i]) continue;
      *exec.fault_text = "output " + std::to_string(i) + " of the reference differs from the inferred " +
                         std::string(slipway::name(outputs_[i].type)) + " " + to_string(outputs_[i].dims);
      return Fault::invalid_value;
    }
    return Fault::none;
  }

  ir::Node node_;
  std::vector<Held> inputs_, outputs_;
};

tactic::Verdict judge(const tactic::Query& query) {
  if (query.node.op->name == tactic::kReorderOp) return tactic::Verdict::no("the plan's own step, no operator of models");
  if (!ops::op_of(query.node).has_reference()) return tactic::Verdict::no("the operator has no reference");
  double elements = 0;
  for (const TensorDesc& d : query.outputs) elements += static_cast<double>(d.dims.count());
  return tactic::Verdict::yes(elements * 0.05);
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  return std::unique_ptr<tactic::Kernel>(std::make_unique<RefKernel>(query));
}

}  // namespace

tactic::TacticList ref_tactic() {
  return {{"ref", Isa::portable, {"*"}, judge, build}};
}

}  // namespace slipway::kernels

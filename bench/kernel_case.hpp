// One operator with the kernel that a tactic makes for it, ready to be run again and again outside any plan.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/format.hpp"
#include "base/pages.hpp"
#include "ir/graph.hpp"
#include "kernels/registry.hpp"
#include "ops/registry.hpp"
#include "plan/choose.hpp"

namespace slipway::bench {

class KernelCase {
 public:
  struct Input {
    Tensor value;
    bool constant = false;
  };

  /// `tactic`: empty for the choice of a plan, in which the inputs stand in `format`; pictures (up to 4 channels) stand plain.
  static Result<std::unique_ptr<KernelCase>> make(std::string_view op, ir::Attrs attrs, std::vector<Input> inputs, Isa isa,
                                                  int threads, tactic::Format format, std::string_view tactic = {}) {
    std::unique_ptr<KernelCase> made(new KernelCase(threads));
    TRY(made->prepare(op, std::move(attrs), std::move(inputs), isa, format, tactic));
    return made;
  }

  void run() {
    const tactic::Exec exec{in_.data(), out_.data(), static_cast<std::byte*>(scratch_.get()), team_, &text_};
    (void)kernel_->run(exec);
  }
  std::string_view tactic() const { return tactic_; }
  double cost_us() const { return cost_us_; }
  std::string describe() const { return kernel_->describe(); }
  const Dims& output_dims() const { return output_; }
  /// Bytes of the packed constants.
  size_t constant_bytes() const { return constant_bytes_; }

 private:
  class Context final : public tactic::BuildContext {
   public:
    Context(KernelCase& owner, const tactic::Query& query) : owner_(owner), query_(query) {}
    Result<tactic::Packed> pack(size_t i, const tactic::Packing& packing) override {
      const std::shared_ptr<void> pages = allocate_pages(packing.bytes);
      packing.pack(*query_.inputs[i].constant, static_cast<std::byte*>(pages.get()));
      owner_.constant_bytes_ += packing.bytes;
      owner_.in_[i] = nullptr;
      return std::static_pointer_cast<const std::byte>(std::shared_ptr<const void>(pages));
    }
    void book_scratch(size_t bytes) override { scratch = std::max(scratch, bytes); }
    size_t scratch = 0;

   private:
    KernelCase& owner_;
    const tactic::Query& query_;
  };

  explicit KernelCase(int threads) : team_(threads) {}

  Status prepare(std::string_view op, ir::Attrs attrs, std::vector<Input> inputs, Isa isa, tactic::Format format,
                 std::string_view wanted) {
    std::vector<ir::ValueId> ids;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const std::string name = "x" + std::to_string(i);
      const Tensor& t = inputs[i].value;
      ids.push_back(inputs[i].constant ? graph_.add_constant(name, t)
                                       : graph_.add_input(name, ir::Fact::tensor(t.type(), t.dims())));
    }
    const ir::OpInfo* info = ops::find("", op);
    if (info == nullptr) return fail(ErrorCode::not_found, "no operator '{}'", op);
    const ir::NodeId id = graph_.add_node(info, "bench", std::move(attrs), ids, 1);
    TRY(ir::infer_all(graph_));
    const ir::Node& node = graph_.node(id);
    std::vector<tactic::TensorDesc> ins, outs;
    for (const ir::ValueId v : node.inputs) {
      const ir::ValueInfo& value = graph_.value(v);
      const bool blocked = !value.is_constant() && value.fact.dims().rank() >= 3 && value.fact.dims()[1] > 4;
      ins.push_back({value.fact.type, value.fact.dims(), blocked ? format : tactic::Format::plain,
                     value.is_constant() ? &value.constant : nullptr, value.name});
    }
    output_ = graph_.value(node.outputs[0]).fact.dims();
    outs.push_back({graph_.value(node.outputs[0]).fact.type, output_, tactic::Format::plain, nullptr, {}});
    const tactic::Machine machine{isa, team_.size(), cpu_info()};
    const tactic::Options tactic_options;
    const tactic::Query query{node, ins, outs, machine, tactic_options};
    plan::PlanOptions options;
    options.machine = machine;
    options.tactic_list = &kernels::all();
    options.forced_tactic = wanted;
    const plan::Chosen chosen = plan::choose(query, options, nullptr);
    if (chosen.tactic == nullptr || (!wanted.empty() && chosen.tactic->name != wanted))
      return fail(ErrorCode::unsupported, "{} does not take this", wanted);
    tactic_ = chosen.tactic->name;
    cost_us_ = chosen.verdict.cost_us;
    for (size_t i = 0; i < ins.size(); ++i) {
      ins[i].format = chosen.verdict.input(i);
      const std::shared_ptr<void> pages = allocate_pages(tactic::buffer_bytes(ins[i].type, ins[i].dims, ins[i].format));
      // The order of the elements does not matter for time: any finite values do.
      std::memcpy(pages.get(), inputs[i].value.data(), inputs[i].value.bytes());
      in_.push_back(pages.get());
      owned_.push_back(pages);
    }
    outs[0].format = chosen.verdict.output(0);
    owned_.push_back(allocate_pages(tactic::buffer_bytes(outs[0].type, outs[0].dims, outs[0].format)));
    out_.push_back(owned_.back().get());
    Context context(*this, query);
    kernel_ = TRY(chosen.tactic->build(query, chosen.verdict, context));
    scratch_ = allocate_pages(std::max<size_t>(context.scratch, 64));
    return {};
  }

  ir::Graph graph_;
  Team team_;
  std::string_view tactic_;
  double cost_us_ = 0;
  Dims output_;
  std::unique_ptr<tactic::Kernel> kernel_;
  std::vector<std::shared_ptr<void>> owned_;
  std::vector<void*> in_, out_;
  std::shared_ptr<void> scratch_;
  size_t constant_bytes_ = 0;
  std::string text_;
};

}  // namespace slipway::bench

#include "passes/pipeline.hpp"

namespace slipway::passes {

Pass activations();
Pass batch_norm();
Pass canonical_arithmetic();
Pass common_subexpression();
Pass constant_folding();
Pass eltwise();
Pass extent_names();
Pass gelu();
Pass layer_norm();
Pass no_op();
Pass scale_shift();
Pass shape_arithmetic();
Pass softmax();
Pass tail();

const std::vector<Stage>& pipeline() {
  static const std::vector<Stage> stages = {
      {{extent_names(), constant_folding(), shape_arithmetic(), no_op(), common_subexpression()}, kManyRounds},
      {{canonical_arithmetic(), batch_norm(), layer_norm(), softmax(), gelu(), activations(), scale_shift(),
        constant_folding(), no_op(), common_subexpression()},
       kManyRounds},
      {{tail(), eltwise()}},
  };
  return stages;
}

const Pass* find_pass(std::string_view name) {
  for (const Stage& stage : pipeline()) {
    for (const Pass& pass : stage.passes) {
      if (pass.name == name) return &pass;
    }
  }
  return nullptr;
}

}  // namespace slipway::passes

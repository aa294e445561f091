#include "passes/pipeline.hpp"

namespace slipway::passes {

Pass common_subexpression();
Pass constant_folding();
Pass extent_names();
Pass no_op();
Pass shape_arithmetic();

const std::vector<Stage>& pipeline() {
  static const std::vector<Stage> stages = {
      {{extent_names(), constant_folding(), shape_arithmetic(), no_op(), common_subexpression()}, kManyRounds},
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

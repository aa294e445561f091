#include "passes/pipeline.hpp"

namespace slipway::passes {

Pass activations();
Pass attention();
Pass batch_norm();
Pass bf16();
Pass canonical_arithmetic();
Pass common_subexpression();
Pass constant_folding();
Pass decided_if();
Pass eltwise();
Pass extent_names();
Pass function_bodies();
Pass gelu();
Pass layer_norm();
Pass no_op();
Pass packed_attention();
Pass padding();
Pass scale_shift();
Pass shape_arithmetic();
Pass softmax();
Pass squeeze_excite();
Pass tail();
Pass transposes();
Pass unused_outputs();

const std::vector<Stage>& pipeline() {
  static const std::vector<Stage> stages = {
      // Operators that only stand for others go first.
      {{function_bodies()}, kManyRounds},
      // What follows from constants and extents, first with the names that the model gives, then with names for the rest.
      {{constant_folding(), shape_arithmetic(), decided_if(), no_op(), common_subexpression(), unused_outputs()},
       kManyRounds,
       true},
      {{extent_names(), constant_folding(), shape_arithmetic(), decided_if(), no_op(), common_subexpression()}, kManyRounds},
      // Fewer and larger operators with the same meaning.
      {{canonical_arithmetic(), batch_norm(), layer_norm(), softmax(), gelu(), activations(), padding(), scale_shift(),
        transposes(), attention(), constant_folding(), no_op(), common_subexpression()},
       kManyRounds},
      // Asked for: products in bfloat16. One cast a value, however many read it.
      {{bf16(), common_subexpression(), no_op()}, kManyRounds, false, true},
      // Groups: from here on nodes have bodies.
      {{packed_attention(), squeeze_excite(), tail(), eltwise()}},
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

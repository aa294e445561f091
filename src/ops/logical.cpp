// Logic of two broadcast truth values.
#include "ops/elementwise.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

using Flag = ir::OpInfo::Flag;

template <class F>
Op logical_op(std::string_view op, std::string_view doc, F) {
  return Op(op, {1, 7})
      .in("A", kBool)
      .in("B", kBool)
      .out("C")
      .flag(Flag::kElementwise | Flag::kCommutative)
      .infer(infer_broadcast)
      .reference([](RefContext& c) -> Status {
        TRY(zip_integers(c, ElementType::boolean,
                         [](int64_t a, int64_t b, int64_t& z) { return z = F{}(a != 0, b != 0) ? 1 : 0, true; }));
        return {};
      })
      .samples([] { return sample::of_two_inputs(kBool, 0, 2, 0, 2); })
      .upgrade(upgrade_broadcast)
      .doc(doc);
}

}  // namespace

OpFamily logical() {
  OpFamily family;
  family.push_back(logical_op("And", "Both.", [](bool a, bool b) { return a && b; }));
  family.push_back(logical_op("Or", "Either.", [](bool a, bool b) { return a || b; }));
  family.push_back(logical_op("Xor", "One alone.", [](bool a, bool b) { return a != b; }));
  return family;
}

}  // namespace slipway::ops

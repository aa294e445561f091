// Optional, OptionalHasElement, OptionalGetElement. An optional that holds something is that something.
#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

struct OptionalAttrs {
  std::string type;  ///< of an optional without an element, as the text of a Fact; only a declaration
  bool operator==(const OptionalAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("type", &OptionalAttrs::type)}; }
};

/// The kind and element type of a fact's text ("seq(f32[...])"); its shape does not matter for an optional without an element.
Fact declared(std::string_view text, int depth = 0) {
  constexpr int kMaxDepth = 8;
  if (depth > kMaxDepth) return {};
  for (const std::string_view wrap : {"optional(", "seq("}) {
    if (text.substr(0, wrap.size()) != wrap) continue;
    Fact inner = declared(text.substr(wrap.size()), depth + 1);
    return wrap == "seq(" ? Fact::sequence(std::move(inner)) : inner;
  }
  const auto type = parse_element_type(text.substr(0, text.find_first_of("[)")));
  return type ? Fact::tensor(*type) : Fact();
}

Status infer_optional(InferContext& c) {
  Fact fact = c.has_input(0) ? c.input(0) : declared(c.attrs<OptionalAttrs>().type);
  fact.optional = !c.has_input(0);
  c.set(0, std::move(fact));
  return {};
}

Status run_optional(RefContext& c) {
  c.set(0, c.has(0) ? c.value(0) : Value());
  return {};
}

Status infer_has_element(InferContext& c) {
  c.set(0, ElementType::boolean, Shape{});
  return {};
}

Status run_has_element(RefContext& c) {
  Tensor y(ElementType::boolean, {});
  y.as<uint8_t>()[0] = c.has(0) && c.value(0).has_value() ? 1 : 0;
  c.set(0, std::move(y));
  return {};
}

Status infer_get_element(InferContext& c) {
  Fact fact = c.input(0);
  fact.optional = false;
  c.set(0, std::move(fact));
  return {};
}

Status run_get_element(RefContext& c) {
  if (!c.has(0) || !c.value(0).has_value()) return Error(ErrorCode::data_fault, "the optional holds nothing");
  c.set(0, c.value(0));
  return {};
}

std::vector<Sample> optional_samples() {
  return {{"tensor", OptionalAttrs{}, {{sample::counting({2, 3})}}}, {"nothing", OptionalAttrs{"f32[...]"}, {}}};
}
std::vector<Sample> has_element_samples() {
  return {{"tensor", NoAttrs{}, {{sample::counting({2, 3})}}}, {"nothing", NoAttrs{}, {}}};
}
std::vector<Sample> get_element_samples() {
  return {{"tensor", NoAttrs{}, {{sample::counting({2, 3})}}},
          {"string", NoAttrs{}, {{sample::counting(ElementType::string, {2})}}}};
}

}  // namespace

OpFamily optional() {
  constexpr uint32_t kHost = ir::OpInfo::kDataDependent;
  return {Op("Optional", {15, 28})
              .attrs<OptionalAttrs>()
              .in_any("input", true)
              .out_any("output")
              .flag(kHost)
              .infer(infer_optional)
              .reference(run_optional)
              .samples(optional_samples)
              .doc("The input as an optional, or an optional without an element."),
          Op("OptionalHasElement", {15, 18, 28})
              .in_any("input", true)
              .out("output", kBool, 'B')
              .flag(kHost)
              .infer(infer_has_element)
              .reference(run_has_element)
              .samples(has_element_samples)
              .doc("Whether an optional holds something."),
          Op("OptionalGetElement", {15, 18, 28})
              .in_any("input")
              .out_any("output")
              .flag(kHost)
              .infer(infer_get_element)
              .reference(run_get_element)
              .samples(get_element_samples)
              .doc("What an optional holds; a fault when it is nothing.")};
}

}  // namespace slipway::ops

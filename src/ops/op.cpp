#include "ops/op.hpp"

#include "base/format.hpp"

namespace slipway::ops {

Op::Op(std::string_view op_name, std::vector<int> since_versions, std::string_view op_domain)
    : versions_(std::move(since_versions)) {
  domain = op_domain;
  name = op_name;
  min_inputs = max_inputs = min_outputs = max_outputs = 0;
  OpInfo::attrs = ir::attr_type<NoAttrs>();
}

Op&& Op::add_in(Port port) {
  inputs_.push_back(port);
  if (!port.optional) min_inputs = static_cast<int>(inputs_.size());
  if (port.optional && inputs_.size() <= 32) optional_inputs |= 1u << (inputs_.size() - 1);
  max_inputs = port.variadic ? -1 : static_cast<int>(inputs_.size());
  return std::move(*this);
}

Op&& Op::add_out(Port port) {
  outputs_.push_back(port);
  if (!port.optional) min_outputs = static_cast<int>(outputs_.size());
  max_outputs = port.variadic ? -1 : static_cast<int>(outputs_.size());
  return std::move(*this);
}

Op&& Op::in_list(std::string_view port, TypeSet types, char group, int least) && {
  add_in({port, types, group, least == 0, true});
  if (least > 0) min_inputs = static_cast<int>(inputs_.size()) - 1 + least;
  return std::move(*this);
}

Op&& Op::in_any(std::string_view port, bool optional) && {
  return add_in({port, kAll, 0, optional, false, ir::Fact::Kind::unknown});
}

Op&& Op::out_any(std::string_view port) && {
  return add_out({port, kAll, 0, false, false, ir::Fact::Kind::unknown});
}

Op&& Op::in_any_list(std::string_view port, int least) && {
  add_in({port, kAll, 0, least == 0, true, ir::Fact::Kind::unknown});
  if (least > 0) min_inputs = static_cast<int>(inputs_.size()) - 1 + least;
  return std::move(*this);
}

Op&& Op::out_any_list(std::string_view port) && {
  return add_out({port, kAll, 0, true, true, ir::Fact::Kind::unknown});
}

namespace {
const Port* port_at(const std::vector<Port>& ports, size_t i) {
  if (i < ports.size()) return &ports[i];
  return !ports.empty() && ports.back().variadic ? &ports.back() : nullptr;
}
}  // namespace

const Port* Op::input_port(size_t i) const {
  return port_at(inputs_, i);
}
const Port* Op::output_port(size_t i) const {
  return port_at(outputs_, i);
}

Status check_arity(const Op& op, std::span<const ir::ValueId> inputs, size_t outputs) {
  const auto within = [](size_t n, int least, int most) {
    return n >= static_cast<size_t>(least) && (most < 0 || n <= static_cast<size_t>(most));
  };
  const auto range = [](int least, int most) {
    return most < 0        ? fmt::format("at least {}", least)
           : least == most ? fmt::format("{}", least)
                           : fmt::format("{} to {}", least, most);
  };
  if (!within(inputs.size(), op.min_inputs, op.max_inputs) || !within(outputs, op.min_outputs, op.max_outputs)) {
    return fail(ErrorCode::invalid_model, "{} takes {} inputs and gives {} outputs, here are {} and {}", op.name,
                range(op.min_inputs, op.max_inputs), range(op.min_outputs, op.max_outputs), inputs.size(), outputs);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Port* port = op.input_port(i);
    if (inputs[i] == ir::kNone && port != nullptr && !port->optional && i < static_cast<size_t>(op.min_inputs)) {
      return fail(ErrorCode::invalid_model, "the required input {} ('{}') is missing", i, port->name);
    }
  }
  return {};
}

Status check_types(const Op& op, std::span<const Fact* const> inputs) {
  ElementType bound[128] = {};
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Port* port = op.input_port(i);
    if (port == nullptr || inputs[i] == nullptr || port->kind == Fact::Kind::unknown) continue;
    const Fact& fact = *inputs[i];
    if (fact.kind == Fact::Kind::unknown) continue;
    if (fact.kind != port->kind) {
      return fail(ErrorCode::invalid_model, "input {} ('{}') must be a {}, here it is {}", i, port->name,
                  port->kind == Fact::Kind::tensor ? "tensor" : "sequence or map", to_string(fact));
    }
    if (fact.type == ElementType::undefined) continue;
    if (!contains(port->types, fact.type)) {
      return fail(ErrorCode::invalid_model, "input {} ('{}') cannot be of type {}", i, port->name, slipway::name(fact.type));
    }
    ElementType& slot = bound[static_cast<size_t>(port->group) & 127];
    if (port->group != 0 && slot != ElementType::undefined && slot != fact.type) {
      return fail(ErrorCode::invalid_model, "input {} ('{}') is of type {} where another input has {}; both must be equal", i,
                  port->name, slipway::name(fact.type), slipway::name(slot));
    }
    slot = fact.type;
  }
  return {};
}

}  // namespace slipway::ops

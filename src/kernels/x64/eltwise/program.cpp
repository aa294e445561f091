#include "kernels/x64/eltwise/program.hpp"

#include <array>
#include <bit>
#include <string_view>

#include "base/format.hpp"

namespace slipway::eltwise {

namespace {

struct FnInfo {
  std::string_view name;
  int cost;
};
constexpr std::array<FnInfo, static_cast<size_t>(Fn::where) + 1> kFns = {{
    {"constant", 0},      {"neg", 1},     {"abs", 1},          {"reciprocal", 4}, {"sqrt", 4},      {"square", 1},
    {"floor", 1},         {"ceil", 1},    {"round", 1},        {"trunc", 1},      {"sign", 6},      {"exp", 16},
    {"log", 28},          {"tanh", 24},   {"sigmoid", 22},     {"erf", 20},       {"softplus", 34}, {"relu", 1},
    {"leaky_relu", 3},    {"elu", 20},    {"hard_sigmoid", 4}, {"hard_swish", 4}, {"gelu", 24},     {"gelu_tanh", 30},
    {"silu", 24},         {"mish", 26},   {"clip", 4},         {"affine", 2},     {"cast", 3},      {"not", 1},
    {"bit_not", 1},       {"is_nan", 2},  {"is_inf", 3},       {"add", 1},        {"sub", 1},       {"mul", 1},
    {"div", 4},           {"min", 3},     {"max", 3},          {"prelu", 3},      {"equal", 2},     {"less", 2},
    {"less_or_equal", 2}, {"bit_and", 1}, {"bit_or", 1},       {"bit_xor", 1},    {"where", 2},
}};
constexpr std::array<std::string_view, 4> kSpreads = {"full", "column", "row", "scalar"};
constexpr size_t kMaxValues = 240;

}  // namespace

uint8_t EltwiseProgram::operand(Spread spread) {
  operands.push_back(spread);
  return static_cast<uint8_t>(operands.size() - 1);
}

uint8_t EltwiseProgram::step(Fn fn, uint8_t x, uint8_t y, float alpha, float beta) {
  steps.push_back({fn, x, y, alpha, beta});
  return static_cast<uint8_t>(operands.size() + steps.size() - 1);
}

ElementType EltwiseProgram::type(size_t value) const {
  if (value >= operands.size()) return steps[value - operands.size()].type;
  return value < types.size() ? types[value] : ElementType::f32;
}

bool is_integer_lane(ElementType type) {
  return type == ElementType::boolean || is_integer(type);
}

bool is_lane_type(ElementType type) {
  switch (type) {
    case ElementType::f32:
    case ElementType::f16:
    case ElementType::bf16:
    case ElementType::i32:
    case ElementType::i16:
    case ElementType::u16:
    case ElementType::i8:
    case ElementType::u8:
    case ElementType::boolean:
      return true;
    default:
      return false;
  }
}

bool EltwiseProgram::valid() const {
  if (steps.empty() || operands.size() > kMaxOperands || operands.size() + steps.size() > kMaxValues) return false;
  for (size_t i = 0; i < steps.size(); ++i) {
    const size_t known = operands.size() + i;
    if (steps[i].fn != Fn::constant && steps[i].x >= known) return false;
    if (is_binary(steps[i].fn) && steps[i].y >= known) return false;
    if (steps[i].fn == Fn::where && steps[i].z >= known) return false;
  }
  return true;
}

int EltwiseProgram::cost() const {
  int sum = 0;
  for (const Step& step : steps) sum += kFns[static_cast<size_t>(step.fn)].cost;
  return sum;
}

std::string EltwiseProgram::text() const {
  std::string out;
  const auto typed = [&](size_t value) {
    return type(value) == ElementType::f32 ? std::string() : fmt::format(" {}", name(type(value)));
  };
  for (size_t i = 0; i < operands.size(); ++i) {
    out += fmt::format("v{} = {}{}; ", i, kSpreads[static_cast<size_t>(operands[i])], typed(i));
  }
  for (size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    out += fmt::format("v{} = {}", operands.size() + i, kFns[static_cast<size_t>(step.fn)].name);
    if (step.fn != Fn::constant) out += fmt::format(" v{}", step.x);
    if (is_binary(step.fn)) out += fmt::format(" v{}", step.y);
    if (step.fn == Fn::where) out += fmt::format(" v{}", step.z);
    out += typed(operands.size() + i);
    if (step.integer != 0) out += fmt::format(" #{}", step.integer);
    if (std::bit_cast<uint32_t>(step.alpha) != 0 || std::bit_cast<uint32_t>(step.beta) != 0) {
      out += fmt::format(" {:.9g} {:.9g}", step.alpha, step.beta);
    }
    out += "; ";
  }
  return out;
}

}  // namespace slipway::eltwise

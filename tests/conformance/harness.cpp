#include "conformance/harness.hpp"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "base/format.hpp"
#include "base/low_precision.hpp"
#include "ops/evaluate.hpp"
#include "ops/registry.hpp"

namespace {
thread_local size_t allocation_count = 0;
}

// A sanitizer brings an allocator of its own: there nothing is counted.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void* operator new(size_t bytes) {
  ++allocation_count;
  if (void* p = std::malloc(bytes == 0 ? 1 : bytes)) return p;
  throw std::bad_alloc();
}
void* operator new(size_t bytes, std::align_val_t alignment) {
  ++allocation_count;
  const auto step = static_cast<size_t>(alignment);
  if (void* p = std::aligned_alloc(step, (bytes + step) / step * step)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, size_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete(void* p, size_t, std::align_val_t) noexcept {
  std::free(p);
}
#endif

namespace slipway::conformance {

size_t allocations() {
  return allocation_count;
}

namespace {

using tactic::Format;
using tactic::TensorDesc;

constexpr size_t kGuard = 256;
constexpr uint8_t kGuardByte = 0xa5, kPoison = 0xff;  // 0xff...: a NaN in every float type

/// A buffer between guards that starts `offset` bytes off 64-byte alignment.
class Guarded {
 public:
  Guarded(size_t bytes, size_t offset) : bytes_(bytes), offset_(offset), store_(kGuard * 2 + bytes + 128, kGuardByte) {
    auto base = reinterpret_cast<uintptr_t>(store_.data()) + kGuard;
    start_ = (base + 63) / 64 * 64 + offset - reinterpret_cast<uintptr_t>(store_.data());
    std::memset(data(), kPoison, bytes);
  }
  uint8_t* data() { return store_.data() + start_; }
  bool intact() const {
    for (size_t i = 0; i < store_.size(); ++i) {
      if ((i < start_ || i >= start_ + bytes_) && store_[i] != kGuardByte) return false;
    }
    return true;
  }

 private:
  size_t bytes_, offset_, start_ = 0;
  std::vector<uint8_t> store_;
};

/// Where element (n, c, p) stands, in elements.
int64_t place(const Dims& dims, Format format, int64_t flat) {
  if (format == Format::plain || dims.rank() < 2) return flat;
  const int64_t pixels = dims.count(2, dims.rank()), channels = dims[1];
  const int64_t p = flat % pixels, c = flat / pixels % channels, n = flat / pixels / channels;
  if (format == Format::channels_last) return (n * pixels + p) * channels + c;
  const int64_t blocks = (channels + 15) / 16;
  return ((n * blocks + c / 16) * pixels + p) * 16 + c % 16;
}

void move_elements(const Tensor& plain, uint8_t* buffer, Format format, bool into_buffer) {
  if (format == Format::plain) {
    if (plain.bytes() == 0) return;
    if (into_buffer) {
      std::memcpy(buffer, plain.data(), plain.bytes());
    } else {
      std::memcpy(const_cast<void*>(plain.data()), buffer, plain.bytes());
    }
    return;
  }
  const auto width = static_cast<size_t>(bits(plain.type()) / 8);
  for (int64_t i = 0; i < plain.count(); ++i) {
    auto* one = static_cast<uint8_t*>(const_cast<void*>(plain.data())) + static_cast<size_t>(i) * width;
    uint8_t* other = buffer + static_cast<size_t>(place(plain.dims(), format, i)) * width;
    if (into_buffer) {
      std::memcpy(other, one, width);
    } else {
      std::memcpy(one, other, width);
    }
  }
}

double tolerance_of(ElementType type) {
  switch (type) {
    case ElementType::f64:
      return 1e-9;
    case ElementType::f16:
      return 4e-3;
    case ElementType::bf16:
      return 3e-2;
    default:
      return 2e-5;
  }
}

std::string differs(const Tensor& got, const Tensor& want, ops::Tolerance tolerance) {
  if (tolerance == ops::Tolerance::random) return {};
  double scale = 1e-30;
  if (is_float(want.type())) {
    for (int64_t i = 0; i < want.count(); ++i) {
      const double v = std::abs(load_double(want.data(), want.type(), i));
      if (std::isfinite(v)) scale = std::max(scale, v);
    }
  }
  for (int64_t i = 0; i < want.count(); ++i) {
    if (!is_float(want.type())) {
      const int64_t a = load_int64(got.data(), got.type(), i), b = load_int64(want.data(), want.type(), i);
      if (a != b) return fmt::format("element {} is {}, the reference says {}", i, a, b);
      continue;
    }
    const double a = load_double(got.data(), got.type(), i), b = load_double(want.data(), want.type(), i);
    if (std::isnan(a) && std::isnan(b)) continue;
    const bool close = a == b || (tolerance == ops::Tolerance::rounding && std::abs(a - b) <= tolerance_of(want.type()) * scale);
    if (!close)
      return fmt::format("element {} of {} is {:.9g}, the reference says {:.9g} (scale {:.3g})", i, want.count(), a, b, scale);
  }
  return {};
}

class Context final : public tactic::BuildContext {
 public:
  explicit Context(const tactic::Query& query) : query_(query), packed(query.inputs.size()) {}
  Result<tactic::Packed> pack(size_t i, const tactic::Packing& packing) override {
    if (query_.inputs[i].constant == nullptr) return fail(ErrorCode::internal, "input {} is not a constant", i);
    std::shared_ptr<void> bytes = allocate(packing.bytes + kGuard);
    std::memset(bytes.get(), kPoison, packing.bytes + kGuard);
    auto* data = static_cast<std::byte*>(bytes.get());
    packing.pack(*query_.inputs[i].constant, data);
    for (size_t k = 0; k < kGuard; ++k) {
      if (data[packing.bytes + k] != std::byte{kPoison})
        return fail(ErrorCode::internal, "packing '{}' writes past its {} bytes", packing.recipe, packing.bytes);
    }
    if (packing.unpack) {
      Tensor back(query_.inputs[i].type, query_.inputs[i].dims);
      packing.unpack(data, back);
      if (!back.same_bytes(*query_.inputs[i].constant))
        return fail(ErrorCode::internal, "packing '{}' does not come back", packing.recipe);
    }
    packed[i] = tactic::Packed(bytes, data);
    return packed[i];
  }
  void book_scratch(size_t bytes) override { scratch = std::max(scratch, bytes); }

 private:
  const tactic::Query& query_;

 public:
  std::vector<tactic::Packed> packed;
  size_t scratch = 0;
};

}  // namespace

Result<Subject> subject_of_node(const ir::Graph& graph, ir::NodeId node, std::vector<ir::Value> inputs, ops::Tolerance tolerance,
                                std::string label) {
  Subject out;
  out.label = std::move(label);
  out.graph = graph;
  out.node = node;
  out.inputs = std::move(inputs);
  out.tolerance = tolerance;
  TRY(ir::infer_all(out.graph));
  std::vector<const ir::Value*> arguments;
  const ir::Node& n = out.graph.node(node);
  for (size_t i = 0; i < n.inputs.size(); ++i) arguments.push_back(n.inputs[i] == ir::kNone ? nullptr : &out.inputs[i]);
  out.expected = TRY(ops::evaluate_node(out.graph, n, arguments, ops::reference_runner()));
  for (size_t i = 0; i < n.outputs.size(); ++i) {
    const Tensor* t = out.expected[i].tensor();
    if (t != nullptr && n.outputs[i] != ir::kNone) out.graph.value(n.outputs[i]).fact = ir::Fact::tensor(t->type(), t->dims());
  }
  return out;
}

Result<Subject> subject_of(const ops::Op& op, const ops::Sample& sample) {
  ir::Graph graph;
  std::vector<ir::ValueId> ids;
  std::vector<ir::Value> values;
  for (size_t i = 0; i < sample.inputs.size(); ++i) {
    const ops::SampleInput& input = sample.inputs[i];
    values.push_back(input.value);
    const std::string name = "x" + std::to_string(i);
    if (!input.value.has_value()) {
      ids.push_back(ir::kNone);
    } else if (const Tensor* t = input.value.tensor()) {
      ids.push_back(input.constant ? graph.add_constant(name, *t)
                                   : graph.add_input(name, ir::Fact::tensor(t->type(), t->dims())));
    } else {
      return fail(ErrorCode::unsupported, "a sample of sequences or maps");
    }
  }
  const ir::NodeId node = graph.add_node(&op, std::string(op.name), sample.attrs, ids, sample.outputs);
  return subject_of_node(graph, node, std::move(values), op.tolerance(), std::string(op.name) + "/" + sample.label);
}

std::optional<ops::Sample> in_bf16(const ops::Op& op, const ops::Sample& sample) {
  ops::Sample out = sample;
  bool any = false;
  for (size_t i = 0; i < out.inputs.size(); ++i) {
    ops::SampleInput& input = out.inputs[i];
    const Tensor* t = input.value.tensor();
    if (t == nullptr || t->type() != ElementType::f32 || op.output_port(0) == nullptr) continue;
    const ops::Port& port = *op.input_port(i);
    if (port.optional && port.group != op.output_port(0)->group) continue;
    Tensor narrow(ElementType::bf16, t->dims());
    for (int64_t k = 0; k < t->count(); ++k) store_double(narrow.data(), ElementType::bf16, k, t->as<float>()[k]);
    input.value = ir::Value(std::move(narrow));
    any = true;
  }
  if (!any || !subject_of(op, out)) return std::nullopt;
  out.label += "/bf16";
  return out;
}

Report check(const Subject& subject, const tactic::Tactic& tactic, Isa isa, int threads, Format standing) {
  const ir::Node& node = subject.graph.node(subject.node);
  std::vector<TensorDesc> inputs, outputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    TensorDesc d;
    if (node.inputs[i] != ir::kNone) {
      const Tensor* t = subject.inputs[i].tensor();
      if (t == nullptr || t->type() == ElementType::string) return {Outcome::refused, "not plain tensors"};
      const ir::ValueInfo& v = subject.graph.value(node.inputs[i]);
      const bool plain = v.is_constant() || t->dims().rank() < 3 || bits(t->type()) < 8;
      d = {t->type(), t->dims(), plain ? Format::plain : standing, v.is_constant() ? &v.constant : nullptr, v.name};
    }
    inputs.push_back(d);
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    TensorDesc d;
    if (node.outputs[i] != ir::kNone) {
      const Tensor* t = subject.expected[i].tensor();
      if (t == nullptr || t->type() == ElementType::string) return {Outcome::refused, "not plain tensors"};
      d = {t->type(), t->dims(), Format::plain, nullptr, {}};
    }
    outputs.push_back(d);
  }
  const tactic::Machine machine{isa, threads, cpu_info()};
  const tactic::Options options;
  const tactic::Query query{node, inputs, outputs, machine, options};
  const tactic::Verdict verdict = tactic.judge(query);
  if (!verdict.accepted) return {Outcome::refused, verdict.reason};
  for (size_t i = 0; i < inputs.size(); ++i) inputs[i].format = verdict.input(i);
  for (size_t i = 0; i < outputs.size(); ++i) outputs[i].format = verdict.output(i);
  if (verdict.is_view) {
    const bool same = inputs[0].format == Format::plain && outputs[0].format == Format::plain
                          ? std::memcmp(subject.inputs[0].tensor()->data(), subject.expected[0].tensor()->data(),
                                        subject.expected[0].tensor()->bytes()) == 0
                          : true;
    return {same ? Outcome::passed : Outcome::failed, "is no view"};
  }
  Context context(query);
  Result<std::unique_ptr<tactic::Kernel>> kernel = tactic.build(query, verdict, context);
  if (!kernel) return {Outcome::failed, "build: " + kernel.error().text()};

  std::vector<Guarded> in_store, out_store;
  std::vector<void*> in_pointers, out_pointers;
  in_store.reserve(inputs.size());
  out_store.reserve(outputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    in_pointers.push_back(nullptr);
    if (inputs[i].absent() || context.packed[i] != nullptr) continue;
    const auto offset = static_cast<size_t>(std::max(1, bits(inputs[i].type) / 8));
    in_store.emplace_back(tactic::buffer_bytes(inputs[i].type, inputs[i].dims, inputs[i].format), offset);
    move_elements(*subject.inputs[i].tensor(), in_store.back().data(), inputs[i].format, true);
    in_pointers.back() = in_store.back().data();
  }
  for (const TensorDesc& d : outputs) {
    out_pointers.push_back(nullptr);
    if (d.absent()) continue;
    out_store.emplace_back(tactic::buffer_bytes(d.type, d.dims, d.format), static_cast<size_t>(std::max(1, bits(d.type) / 8)));
    out_pointers.back() = out_store.back().data();
  }
  Guarded scratch(context.scratch, 0);
  Team team(threads);
  std::string text;
  text.reserve(256);
  const tactic::Exec exec{in_pointers.data(), out_pointers.data(), reinterpret_cast<std::byte*>(scratch.data()), team, &text};
  const size_t before = allocations();
  const tactic::Fault fault = (*kernel)->run(exec);
  const size_t made = allocations() - before;
  if (fault != tactic::Fault::none) return {Outcome::failed, "fault: " + std::string(name(fault)) + " " + text};
  if (made != 0 && tactic.name != "ref") return {Outcome::failed, fmt::format("run() allocated {} times", made)};
  if (!scratch.intact()) return {Outcome::failed, "wrote outside its booked scratch"};
  for (Guarded& g : in_store) {
    if (!g.intact()) return {Outcome::failed, "wrote outside an input"};
  }
  size_t next = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].absent()) continue;
    Guarded& g = out_store[next++];
    if (!g.intact()) return {Outcome::failed, fmt::format("wrote outside output {}", i)};
    Tensor got(outputs[i].type, outputs[i].dims);
    move_elements(got, g.data(), outputs[i].format, false);
    const std::string difference = differs(got, *subject.expected[i].tensor(), subject.tolerance);
    if (!difference.empty()) return {Outcome::failed, fmt::format("output {}: {}", i, difference)};
  }
  return {Outcome::passed, verdict.reason};
}

}  // namespace slipway::conformance

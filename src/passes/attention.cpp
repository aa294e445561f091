// MatMul(softmax(scale * Q * K^T + mask), V) per head, with the reshapes and transposes that take the heads apart and put them
// together again, becomes Attention on the tensors as they are made.
#include "ops/attention.hpp"

#include <cmath>

#include "ops/registry.hpp"
#include "ops/softmax.hpp"
#include "ops/split.hpp"
#include "passes/head_split.hpp"

namespace slipway::passes {
namespace {

/// Takes factors off: value = result * scale.
ir::ValueId unscaled(const Site& site, ir::ValueId value, double& scale) {
  while (const ir::Node* node = site.own_producer(value, "Mul")) {
    const auto factor = with_scalar(site, *node, "Mul");
    if (!factor) break;
    scale *= factor->scalar;
    value = factor->value;
  }
  return value;
}

struct Scores {
  ir::ValueId q = ir::kNone, k_transposed = ir::kNone, mask = ir::kNone;
  double scale = 1;
};

std::optional<Scores> product(const Site& site, ir::ValueId value) {
  Scores s;
  const ir::ValueId raw = unscaled(site, value, s.scale);
  const ir::Node* node = site.own_producer(raw, "MatMul");
  if (node == nullptr) return std::nullopt;
  const ir::ValueId q = node->inputs[0], k = node->inputs[1];
  s.q = unscaled(site, q, s.scale);
  s.k_transposed = unscaled(site, k, s.scale);
  return s;
}

std::optional<Scores> scores(const Site& site, ir::ValueId value) {
  if (auto plain = product(site, value)) return plain;
  const ir::Node* add = site.own_producer(value, "Add");
  if (add == nullptr) return std::nullopt;
  for (size_t side : {size_t{0}, size_t{1}}) {
    const ir::ValueId masked = add->inputs[side], mask = add->inputs[1 - side];
    auto found = product(site, masked);
    if (!found || !broadcasts_into(site.fact(mask), site.fact(masked))) continue;
    found->mask = mask;
    return found;
  }
  return std::nullopt;
}

/// Q, K and V lie side by side in one tensor, in this order and equally wide.
bool packed(const HeadSplit& q, const HeadSplit& k, const HeadSplit& v) {
  const int64_t width = q.heads * q.size;
  return q.source == k.source && q.source == v.source && q.channels == 3 * width && v.size == q.size && q.offset == 0 &&
         k.offset == width && v.offset == 2 * width;
}

Result<ir::ValueId> own_tensor(ir::Patch& patch, const HeadSplit& part) {
  const int64_t width = part.heads * part.size;
  if (part.offset == 0 && part.channels == width) return part.source;
  const auto constant = [&](int64_t n) { return patch.constant(Tensor::vector(std::span(&n, 1))); };
  const ir::ValueId start = constant(part.offset), end = constant(part.offset + width), axis = constant(2);
  return patch.add(ops::get("Slice"), {}, {part.source, start, end, axis});
}

Result<Answer> visit(const Site& site) {
  if (!site.node.is("MatMul")) return not_mine();
  const ir::Node* softmax = site.own_producer(site.node.inputs[0], "Softmax");
  if (softmax == nullptr || !has_rank(site.fact(site.out())) || site.fact(site.out()).shape->size() != 4) return not_mine();
  const int64_t axis = softmax->attrs.as<ops::SoftmaxAttrs>().axis;
  if (axis != -1 && axis != 3) return declined("the softmax is not over the keys");
  if (!is_f32(site.fact(site.out()))) return declined("only for f32");
  const auto s = scores(site, softmax->inputs[0]);
  if (!s) return declined("the scores are no masked product, or the mask may not fit them");
  if (!(s->scale > 0) || !std::isfinite(s->scale)) return declined("the scale is not positive");
  const auto q = head_split(site, s->q), k = head_split(site, s->k_transposed, true), v = head_split(site, site.node.inputs[1]);
  if (!q || !k || !v) return declined("the heads of Q, K or V are not taken apart in a known way");
  if (q->heads != k->heads || q->heads != v->heads || q->size != k->size) return declined("the heads of Q, K and V differ");
  const auto joined = heads_joined(site, site.out());
  if (!joined) return declined("the heads are not put together again");

  ops::AttentionAttrs attrs;
  attrs.q_num_heads = attrs.kv_num_heads = q->heads;
  attrs.scale = static_cast<float>(s->scale);
  ir::Patch patch(site.graph);
  std::vector<ir::ValueId> inputs;
  if (packed(*q, *k, *v)) {
    const ir::ValueId first = TRY(patch.add(ops::get("Split"), ops::SplitAttrs{2, 3}, {q->source}, 3));
    inputs = {first, first + 1, first + 2};
  } else {
    for (const HeadSplit* part : {&*q, &*k, &*v}) inputs.push_back(TRY(own_tensor(patch, *part)));
  }
  if (s->mask != ir::kNone) inputs.push_back(s->mask);
  const ir::ValueId out = TRY(patch.add(ops::get("Attention"), attrs, std::move(inputs)));
  patch.replace(*joined, out);
  return Answer(std::move(patch));
}

}  // namespace

Pass attention() {
  return {"attention", "attention written out becomes the operator, without moving heads", visit};
}

}  // namespace slipway::passes

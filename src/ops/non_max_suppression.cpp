// NonMaxSuppression: the best boxes of every class, without those that overlap a better one too much.
#include <algorithm>

#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

struct NmsAttrs {
  int64_t center_point_box = 0;  ///< 0: two corners [y1, x1, y2, x2]; 1: [x_center, y_center, width, height]
  bool operator==(const NmsAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("center_point_box", &NmsAttrs::center_point_box)}; }
};

Status infer(InferContext& c) {
  const Shape *boxes = c.shape(0), *scores = c.shape(1);
  if ((boxes != nullptr && (boxes->size() != 3 || ((*boxes)[2].known() && (*boxes)[2].value() != 4))) ||
      (scores != nullptr && scores->size() != 3)) {
    return Error(ErrorCode::invalid_model, "boxes must be [batches, boxes, 4] and scores [batches, classes, boxes]");
  }
  c.set(0, E::i64, Shape{Dim::unknown(), 3});
  return {};
}

struct Box {
  double x0, y0, x1, y1;
  double area() const { return (x1 - x0) * (y1 - y0); }
};

Box read_box(const double* v, bool centred) {
  if (centred) return {v[0] - v[2] / 2, v[1] - v[3] / 2, v[0] + v[2] / 2, v[1] + v[3] / 2};
  return {std::min(v[1], v[3]), std::min(v[0], v[2]), std::max(v[1], v[3]), std::max(v[0], v[2])};
}

bool overlap_beyond(const Box& a, const Box& b, double threshold) {
  const double width = std::min(a.x1, b.x1) - std::max(a.x0, b.x0), height = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  if (!(width > 0) || !(height > 0) || !(a.area() > 0) || !(b.area() > 0)) return false;
  const double both = width * height, either = a.area() + b.area() - both;
  return either > 0 && both / either > threshold;
}

Status run(RefContext& c) {
  const Dims bd = c.in(0).dims(), sd = c.in(1).dims();
  if (bd.rank() != 3 || sd.rank() != 3 || bd[2] != 4 || bd[0] != sd[0] || bd[1] != sd[2]) {
    return fail(ErrorCode::invalid_model,
                "boxes of shape {} and scores of shape {} do not fit; [n, boxes, 4] and [n, classes, boxes]", to_string(bd),
                to_string(sd));
  }
  const bool centred = c.attrs<NmsAttrs>().center_point_box != 0;
  const auto scalar = [&](size_t i) { return c.has(i) && c.in(i).count() > 0 ? std::optional(c.doubles(i)[0]) : std::nullopt; };
  const int64_t limit = c.has(2) && c.in(2).count() > 0 ? c.ints(2)[0] : 0;
  const double overlap = scalar(3).value_or(0.0);
  const std::optional<double> least_score = scalar(4);
  const std::vector<double> boxes = c.doubles(0), scores = c.doubles(1);
  std::vector<int64_t> selected;
  for (int64_t n = 0; n < sd[0]; ++n) {
    for (int64_t cls = 0; cls < sd[1]; ++cls) {
      const double* score = scores.data() + (n * sd[1] + cls) * sd[2];
      std::vector<int64_t> order;
      for (int64_t b = 0; b < sd[2]; ++b) {
        if (!least_score || score[b] > *least_score) order.push_back(b);
      }
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return score[a] > score[b]; });
      std::vector<Box> kept;
      for (const int64_t b : order) {
        if (static_cast<int64_t>(kept.size()) >= limit) break;
        const Box box = read_box(boxes.data() + (n * bd[1] + b) * 4, centred);
        if (std::any_of(kept.begin(), kept.end(), [&](const Box& k) { return overlap_beyond(box, k, overlap); })) continue;
        kept.push_back(box);
        selected.insert(selected.end(), {n, cls, b});
      }
    }
  }
  Tensor out = c.out(0, E::i64, {static_cast<int64_t>(selected.size() / 3), 3});
  std::copy(selected.begin(), selected.end(), out.as<int64_t>());
  return {};
}

std::vector<Sample> samples() {
  const auto make = [](std::string label, int64_t centred, int64_t limit, float overlap, std::optional<float> score) {
    const Tensor boxes = sample::random({2, 12, 4}, 0, 1), scores = sample::random({2, 3, 12}, 0, 1, 5);
    Sample s{std::move(label), NmsAttrs{centred}, {{boxes}, {scores}, {Tensor::scalar(limit)}, {Tensor::scalar(overlap)}}};
    if (score) s.inputs.push_back({Tensor::scalar(*score)});
    return s;
  };
  return {make("corners", 0, 5, 0.3f, 0.2f), make("centres", 1, 4, 0.1f, 0.5f), make("no_score_threshold", 0, 20, 0.5f, {}),
          make("limit_one", 0, 1, 0.5f, 0.0f), make("none_pass", 0, 3, 0.5f, 2.0f)};
}

}  // namespace

OpFamily non_max_suppression() {
  return {Op("NonMaxSuppression", {10, 11})
              .attrs<NmsAttrs>()
              .in("boxes", types(E::f32))
              .in("scores", types(E::f32))
              .opt("max_output_boxes_per_class", types(E::i64), 'I')
              .opt("iou_threshold", types(E::f32))
              .opt("score_threshold", types(E::f32))
              .out("selected_indices", types(E::i64), 'I')
              .flag(ir::OpInfo::kDataDependent)
              .infer(infer)
              .reference(run)
              .samples(samples)
              .doc("Indices [batch, class, box] of the best boxes that do not overlap a better one")};
}

}  // namespace slipway::ops

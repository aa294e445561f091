// Convolution 3x3 at stride 1 by Winograd's F(2), F(4) or F(6): the tiles of a group are transformed, each of their positions is
// one product [tiles x in channels] * [in channels x out channels], and the sums are transformed back under the tail.
// blocked16 to blocked16.
//
// Numeric recipe: every output takes the same steps whatever group its tile is in, so the answer depends on neither batch nor
// threads.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "kernels/x64/conv/layer.hpp"
#include "kernels/x64/conv/winograd_transform.hpp"
#include "kernels/x64/gemm/microkernel.hpp"

namespace slipway::kernels {
namespace {

using conv::kBlock;
using conv::Layer;
using conv::Winograd;
using gemm::Microkernel;
using gemm::MicrokernelArgs;
using gemm::MicrokernelSpec;
using tactic::Exec;
using tactic::Fault;
using tactic::Format;

/// Floats between rows of the transformed tiles beyond their channels, so that no row distance is a multiple of 4 KiB.
constexpr int64_t kRowGap = 16;
constexpr int64_t kLineFloats = 16;
/// Tiles of a group: few enough that the transformed tiles stay in L2, enough for the reading of the weights to pay.
constexpr int64_t kFewestTiles = 14, kMostTiles = 112;

/// One vector a row of AVX-512: up to 28 tiles pass over a panel at once, so that each weight is read once, and asked for this
/// far ahead (measured: 5 to 15 % on weights that come from beyond L2).
constexpr int kNarrowPanel = 16;
constexpr int32_t kPrefetchBytes = 4096;

bool read_layer(const tactic::Query& query, const Winograd& winograd, Layer& layer, std::string& reason) {
  if (!conv::read_layer(query, layer, reason)) return false;
  for (const ops::WindowAxis* a : {&layer.window.h, &layer.window.w}) {
    if (a->kernel != 3 || a->stride != 1 || a->dilation != 1) return reason = "not 3x3 at stride 1", false;
  }
  if (layer.groups != 1) return reason = "groups", false;
  const double error = winograd.error_bound(layer.in_channels);
  if (error > query.options.tolerance)
    return reason = fmt::format("its error of {:.1e} is beyond the tolerance of {:.1e}", error, query.options.tolerance), false;
  return true;
}

/// How the layer is cut; the same for every thread count but for the number of groups.
struct Cut {
  Winograd winograd;
  int64_t tiles_h = 1, tiles_w = 1, tiles = 1;  ///< of an image; of the batch
  int64_t groups = 1, group_tiles = 1;          ///< groups, tiles of the largest
  bool together = false;                        ///< all threads work on one group, else each on its own

  static Cut make(const Winograd& winograd, const Layer& layer, int threads) {
    Cut cut;
    cut.winograd = winograd;
    cut.tiles_h = winograd.tiles(layer.window.h.out);
    cut.tiles_w = winograd.tiles(layer.window.w.out);
    cut.tiles = cut.tiles_h * cut.tiles_w * layer.batch;
    const int64_t in = layer.in_channels, out = conv::whole_halves(layer.out_channels);
    const int64_t weight_bytes = winograd.positions() * in * out * 4;
    // Weights read again for each group against transformed tiles that leave L2: measured even at four passes over these.
    const int64_t most = std::clamp(in * out / (4 * (in + out)) / kFewestTiles * kFewestTiles, kFewestTiles, kMostTiles);
    cut.groups = (cut.tiles + most - 1) / most;
    cut.together = threads > 1 && (weight_bytes > cpu_info().l3_bytes / 4 || cut.tiles < threads * kFewestTiles);
    if (!cut.together) cut.groups = std::min(cut.tiles, (cut.groups + threads - 1) / threads * threads);
    cut.group_tiles = (cut.tiles + cut.groups - 1) / cut.groups;
    return cut;
  }
};

class WinogradKernel final : public tactic::Kernel {
 public:
  static Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, Layer layer, const Winograd& winograd,
                                                       tactic::BuildContext& context) {
    std::unique_ptr<WinogradKernel> kernel(new WinogradKernel(std::move(layer), winograd, query.machine.threads));
    TRY(kernel->prepare(query.machine.isa, context));
    return std::unique_ptr<tactic::Kernel>(std::move(kernel));
  }

  Fault run(const Exec& exec) const noexcept override {
    if (cut_.together) {
      for (int64_t g = 0; g < cut_.groups; ++g) {
        for (const Phase phase : kPhases) {
          auto task = [&](int thread, int threads) {
            if (thread < threads_) (this->*phase)(exec, g, places(exec, 0, thread), thread, std::min(threads, threads_));
          };
          exec.team.run(task);
        }
      }
      return Fault::none;
    }
    auto task = [&](int thread, int threads) {
      if (thread >= threads_) return;
      const Team::Range range = Team::share(cut_.groups, thread, std::min(threads, threads_));
      for (int64_t g = range.begin; g < range.end; ++g) {
        for (const Phase phase : kPhases) (this->*phase)(exec, g, places(exec, thread, thread), 0, 1);
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override {
    return fmt::format("{} tiles in {} group{}{}", cut_.tiles, cut_.groups, cut_.groups == 1 ? "" : "s",
                       cut_.together ? ", threads together" : "");
  }

 private:
  /// Where one thread works, in the scratch.
  struct Places {
    float *inputs, *sums;  ///< [position][tile][channels]
    float *temporary, *border;
  };
  using Phase = void (WinogradKernel::*)(const Exec&, int64_t, const Places&, int, int) const;
  static const Phase kPhases[3];

  WinogradKernel(Layer layer, const Winograd& winograd, int threads)
      : layer_(std::move(layer)), cut_(Cut::make(winograd, layer_, threads)), threads_(threads) {}

  Status prepare(Isa isa, tactic::BuildContext& context) {
    shape_ = gemm::PackShape::make(isa, layer_.in_channels, conv::whole_halves(layer_.out_channels));
    if (isa >= Isa::avx512) shape_.panel_columns = kNarrowPanel;
    in_row_ = layer_.in_blocks() * kBlock + kRowGap;
    out_row_ = layer_.out_blocks() * kBlock + kRowGap;
    // An odd number of cache lines between positions spreads a tile's positions over all sets of the cache.
    in_position_ = (cut_.group_tiles * in_row_ / kLineFloats | 1) * kLineFloats;
    out_position_ = (cut_.group_tiles * out_row_ / kLineFloats | 1) * kLineFloats;
    TRY(make_products(isa));
    TRY(pack_weights(context));
    operands_ = TRY(conv::TailOperands::make(layer_.tail, layer_.out_channels, context));
    TRY(make_transforms(isa));
    const int64_t arrays = cut_.winograd.positions() * (in_position_ + out_position_), small = small_floats();
    context.book_scratch(static_cast<size_t>((cut_.together ? 1 : threads_) * arrays + threads_ * 2 * small) * sizeof(float));
    return {};
  }

  int64_t pixel_bytes() const { return kBlock * layer_.element_bytes(); }
  int64_t small_floats() const { return cut_.winograd.positions() * kBlock; }

  Places places(const Exec& exec, int slot, int thread) const {
    auto* at = reinterpret_cast<float*>(exec.scratch) + thread * 2 * small_floats();
    auto* arrays = reinterpret_cast<float*>(exec.scratch) + threads_ * 2 * small_floats() +
                   slot * cut_.winograd.positions() * (in_position_ + out_position_);
    return {arrays, arrays + cut_.winograd.positions() * in_position_, at, at + small_floats()};
  }

  Team::Range tiles_of(int64_t group) const {
    return Team::share(cut_.tiles, static_cast<int>(group), static_cast<int>(cut_.groups));
  }
  /// Rows of a product in tiles of the microkernel: even, at most `most_rows_`.
  int64_t row_parts(int64_t tiles) const { return (tiles + most_rows_ - 1) / most_rows_; }

  Status make_products(Isa isa) {
    last_columns_ = static_cast<int>(shape_.n - (shape_.panels() - 1) * shape_.panel_columns);
    most_rows_ = gemm::max_rows(isa, static_cast<int>(std::min<int64_t>(shape_.panel_columns, shape_.n)));
    for (const int64_t tiles : {cut_.group_tiles, cut_.tiles / cut_.groups}) {
      for (int64_t i = 0; i < row_parts(tiles); ++i) {
        const Team::Range rows = Team::share(tiles, static_cast<int>(i), static_cast<int>(row_parts(tiles)));
        TRY(make_product(isa, static_cast<int>(rows.end - rows.begin)));
      }
    }
    return {};
  }

  Status make_product(Isa isa, int rows) {
    if (products_.size() <= static_cast<size_t>(rows)) products_.resize(static_cast<size_t>(rows) + 1);
    Product& product = products_[static_cast<size_t>(rows)];
    if (product.last != nullptr) return {};
    MicrokernelSpec spec;
    spec.isa = isa;
    spec.rows = rows;
    spec.columns = spec.panel_columns = shape_.panel_columns;
    spec.k = layer_.in_channels;
    if (isa >= Isa::avx512) spec.prefetch = kPrefetchBytes;
    spec.a_rows = gemm::Rows::apart(static_cast<int32_t>(in_row_ * 4));
    spec.c_rows = gemm::Rows::apart(static_cast<int32_t>(out_row_ * 4));
    if (shape_.panels() > 1) product.whole = TRY(Microkernel::make(spec));
    spec.columns = last_columns_;
    product.last = TRY(Microkernel::make(spec));
    return {};
  }

  Status make_transforms(Isa isa) {
    input_ = TRY(conv::InputTransform::make(isa, cut_.winograd, layer_.type));
    conv::OutputTransform::Spec spec;
    spec.isa = isa;
    spec.winograd = cut_.winograd;
    spec.type = layer_.type;
    if (!layer_.tail.program.steps.empty()) {
      spec.tail = layer_.tail.program;
      spec.operand_types = operands_.types();
    }
    spec.columns = cut_.winograd.outputs;
    outputs_[0] = TRY(conv::OutputTransform::make(spec));
    spec.columns = static_cast<int>((layer_.window.w.out - 1) % cut_.winograd.outputs + 1);
    outputs_[1] = TRY(conv::OutputTransform::make(spec));
    return {};
  }

  Status pack_weights(tactic::BuildContext& context) {
    tactic::Packing packing;
    packing.recipe = fmt::format("winograd{}/{}/n{}", cut_.winograd.outputs, slipway::name(layer_.type), shape_.panel_columns);
    packing.bytes = static_cast<size_t>(cut_.winograd.positions() * shape_.elements()) * sizeof(float);
    packing.pack = [winograd = cut_.winograd, shape = shape_, out = layer_.out_channels](const Tensor& from, std::byte* to) {
      conv::transform_filters(winograd, shape, out, from, reinterpret_cast<float*>(to));
    };
    weights_ = TRY(context.pack(1, packing));
    return {};
  }

  /// The image and upper left pixel of a tile, in outputs.
  struct Spot {
    int64_t n, y, x;
  };
  Spot spot(int64_t tile) const {
    const int64_t image = cut_.tiles_h * cut_.tiles_w, m = cut_.winograd.outputs;
    return {tile / image, tile % image / cut_.tiles_w * m, tile % cut_.tiles_w * m};
  }

  void transform_inputs(const Exec& exec, int64_t group, const Places& places, int thread, int threads) const {
    const Team::Range tiles = tiles_of(group);
    const int64_t blocks = layer_.in_blocks(), count = tiles.end - tiles.begin;
    const Team::Range share = Team::share(blocks * count, thread, threads);
    conv::InputTransform::Args args;
    args.position_bytes = in_position_ * 4;
    args.temporary = places.temporary;
    for (int64_t i = share.begin; i < share.end; ++i) {
      const int64_t block = i / count, tile = i % count;  // tiles side by side read and write long rows
      const Spot at = spot(tiles.begin + tile);
      const std::byte* plane = static_cast<const std::byte*>(exec.inputs[0]) +
                               (at.n * blocks + block) * layer_.window.h.in * layer_.window.w.in * pixel_bytes();
      args.to = places.inputs + tile * in_row_ + block * kBlock;
      find_pixels(plane, at, places.border, args);
      (*input_)(args);
    }
  }

  /// The tile's pixels in the plane, or a copy with zeros around where it reaches over the edge.
  void find_pixels(const std::byte* plane, const Spot& at, float* border_floats, conv::InputTransform::Args& args) const {
    const ops::WindowAxis &h = layer_.window.h, &w = layer_.window.w;
    const int64_t pixel = pixel_bytes();
    auto* border = reinterpret_cast<std::byte*>(border_floats);
    const int64_t size = cut_.winograd.size(), top = at.y - h.pad_begin, left = at.x - w.pad_begin;
    if (top >= 0 && left >= 0 && top + size <= h.in && left + size <= w.in) {
      args.from = plane + (top * w.in + left) * pixel;
      args.row_bytes = w.in * pixel;
      return;
    }
    std::memset(border, 0, static_cast<size_t>(size * size * pixel));
    const int64_t first = std::max<int64_t>(0, -left), last = std::min(size, w.in - left);
    for (int64_t r = std::max<int64_t>(0, -top); first < last && r < std::min(size, h.in - top); ++r) {
      std::memcpy(border + (r * size + first) * pixel, plane + ((top + r) * w.in + left + first) * pixel,
                  static_cast<size_t>((last - first) * pixel));
    }
    args.from = border;
    args.row_bytes = size * pixel;
  }

  void multiply(const Exec&, int64_t group, const Places& places, int thread, int threads) const {
    const Team::Range range = tiles_of(group);
    const int64_t tiles = range.end - range.begin, panels = shape_.panels(), parts = row_parts(tiles);
    const Team::Range share = Team::share(cut_.winograd.positions() * panels, thread, threads);
    const auto* weights = reinterpret_cast<const float*>(weights_.get());
    MicrokernelArgs args;
    for (int64_t i = share.begin; i < share.end; ++i) {
      const int64_t position = i / panels, panel = i % panels;
      args.b = weights + position * shape_.elements() + shape_.offset(panel);
      for (int64_t part = 0; part < parts; ++part) {
        const Team::Range rows = Team::share(tiles, static_cast<int>(part), static_cast<int>(parts));
        const Product& product = products_[static_cast<size_t>(rows.end - rows.begin)];
        args.a = places.inputs + position * in_position_ + rows.begin * in_row_;
        args.c = {places.sums + position * out_position_ + rows.begin * out_row_ + panel * shape_.panel_columns, 0, 0};
        (panel + 1 == panels ? *product.last : *product.whole)(args);
      }
    }
  }

  void transform_outputs(const Exec& exec, int64_t group, const Places& places, int thread, int threads) const {
    const Team::Range tiles = tiles_of(group);
    const int64_t blocks = layer_.out_blocks(), height = layer_.window.h.out, width = layer_.window.w.out;
    const int64_t count = tiles.end - tiles.begin;
    const Team::Range share = Team::share(blocks * count, thread, threads);
    conv::OutputTransform::Args args;
    args.position_bytes = out_position_ * 4;
    args.row_bytes = width * pixel_bytes();
    args.temporary = places.temporary;
    for (int64_t i = share.begin; i < share.end; ++i) {
      const int64_t block = i / count, tile = i % count;  // tiles side by side read and write long rows
      const Spot at = spot(tiles.begin + tile);
      const int64_t offset = (((at.n * blocks + block) * height + at.y) * width + at.x) * kBlock;
      args.from = places.sums + tile * out_row_ + block * kBlock;
      args.to = static_cast<std::byte*>(exec.outputs[0]) + offset * layer_.element_bytes();
      args.rows = std::min<int64_t>(cut_.winograd.outputs, height - at.y);
      for (size_t o = 0; o < operands_.size(); ++o) args.operands[o + 1] = operands_.at(exec, o, block * kBlock, offset);
      (*outputs_[at.x + cut_.winograd.outputs > width ? 1 : 0])(args);
    }
  }

  struct Product {
    std::shared_ptr<const Microkernel> whole, last;  ///< for all panels but the last, and the last
  };

  Layer layer_;
  Cut cut_;
  int threads_ = 1;
  gemm::PackShape shape_;
  int64_t in_row_ = 0, out_row_ = 0, in_position_ = 0, out_position_ = 0;  ///< floats
  int last_columns_ = 0, most_rows_ = 1;
  std::vector<Product> products_;  ///< by rows
  std::shared_ptr<const conv::InputTransform> input_;
  std::shared_ptr<const conv::OutputTransform> outputs_[2];  ///< whole tiles, tiles at the right edge
  tactic::Packed weights_;
  conv::TailOperands operands_;
};

const WinogradKernel::Phase WinogradKernel::kPhases[3] = {&WinogradKernel::transform_inputs, &WinogradKernel::multiply,
                                                          &WinogradKernel::transform_outputs};

template <int kOutputs>
tactic::Verdict judge(const tactic::Query& query) {
  const Winograd winograd{kOutputs};
  Layer layer;
  std::string reason;
  if (!read_layer(query, winograd, layer, reason)) return tactic::Verdict::no(std::move(reason));
  // Of one image and one thread, so that neither batch nor threads change the choice. The weights are read while products run.
  constexpr double kFlopsPerUs = 110e3, kWeightBytesPerUs = 50e3, kVectorsPerUs = 250;
  const double positions = winograd.positions();
  const auto tiles = static_cast<double>(winograd.tiles(layer.window.h.out) * winograd.tiles(layer.window.w.out));
  const auto in = static_cast<double>(layer.in_channels), out = static_cast<double>(conv::whole_halves(layer.out_channels));
  const double product_us = 2 * positions * tiles * in * out / kFlopsPerUs;
  const double weights_us = positions * in * out * 4 / kWeightBytesPerUs;
  const double transform_us = positions * tiles * static_cast<double>(layer.in_blocks() + layer.out_blocks()) / kVectorsPerUs;
  const double image_us = product_us + weights_us + transform_us;
  return conv::blocked_verdict(query, layer.tail, Format::blocked16,
                               1 + image_us * static_cast<double>(layer.batch) / query.machine.threads,
                               fmt::format("F({0}x{0}), error {1:.1e}", kOutputs, winograd.error_bound(layer.in_channels)));
}

template <int kOutputs>
Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext& context) {
  const Winograd winograd{kOutputs};
  Layer layer;
  std::string reason;
  if (!read_layer(query, winograd, layer, reason)) return Error(ErrorCode::internal, reason);
  return WinogradKernel::build(query, std::move(layer), winograd, context);
}

}  // namespace

tactic::TacticList winograd_tactic() {
  return {{"x64.winograd2", Isa::avx2, {"Conv", "Group"}, judge<2>, build<2>},
          {"x64.winograd4", Isa::avx2, {"Conv", "Group"}, judge<4>, build<4>},
          {"x64.winograd6", Isa::avx2, {"Conv", "Group"}, judge<6>, build<6>}};
}

}  // namespace slipway::kernels

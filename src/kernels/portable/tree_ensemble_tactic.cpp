// Tree ensembles: blocks of rows through one tree after the other, or one row through eight trees at a time. Sums run in double
// in the order of the trees, as in the reference.
#include <algorithm>
#include <variant>

#include "base/format.hpp"
#include "base/low_precision.hpp"
#include "kernels/portable/flat_forest.hpp"
#include "kernels/registry.hpp"

namespace slipway::kernels {
namespace {

using ops::Forest;
using tactic::Exec;
using tactic::Fault;
using tactic::TensorDesc;

constexpr std::string_view kMl = "ai.onnx.ml";

Result<Forest> forest_of(const ir::Node& node) {
  if (node.is("TreeEnsemble", kMl)) return ops::forest_of(node.attrs.as<ops::TreeEnsembleAttrs>());
  if (node.is("TreeEnsembleRegressor", kMl)) return ops::forest_of(node.attrs.as<ops::TreeRegressorAttrs>());
  return ops::forest_of(node.attrs.as<ops::TreeClassifierAttrs>());
}

/// Trees with equality or membership: one row, one tree at a time.
struct SlowForest {
  const Forest* forest;
  size_t trees() const { return forest->roots.size(); }
};

class TreeKernel final : public tactic::Kernel {
 public:
  TreeKernel(const tactic::Query& query, std::shared_ptr<const Forest> forest)
      : forest_(std::move(forest)),
        in_(query.inputs[0].type),
        classifies_(query.outputs.size() > 1 || query.is("TreeVotes", "slipway")) {
    const Dims& d = query.inputs[0].dims;
    rows_ = d.rank() == 1 ? 1 : d[0];
    columns_ = d.back();
    const TensorDesc& scores = query.outputs[classifies_ ? 1 : 0];
    out_ = scores.type;
    targets_ = forest_->targets;
    block_ = std::clamp<int64_t>((int64_t{24} << 10) / std::max<int64_t>(columns_ * 4, 1) / kLanes * kLanes, kLanes, 32 * kLanes);
    block_ = std::min(block_, (rows_ + kLanes - 1) / kLanes * kLanes);
    std::optional<FlatForest<float>> floats;
    if (in_ == ElementType::f32 || in_ == ElementType::f16) floats = FlatForest<float>::of(*forest_);
    if (floats) {
      flat_ = std::move(*floats);
    } else if (std::optional<FlatForest<double>> doubles = FlatForest<double>::of(*forest_)) {
      flat_ = std::move(*doubles);
    } else {
      flat_ = SlowForest{forest_.get()};
    }
    const bool narrow = std::holds_alternative<FlatForest<float>>(flat_);
    converts_ = in_ != (narrow ? ElementType::f32 : ElementType::f64);
    width_ = narrow ? sizeof(float) : sizeof(double);
    one_ = targets_ == 1 && forest_->aggregate <= Forest::Aggregate::sum;
    for (const Forest::Leaf& leaf : forest_->leaves) {
      one_ = one_ && leaf.end == leaf.first + 1;
      values_.push_back(leaf.end > leaf.first ? forest_->says[leaf.first].weight : 0);
    }
    if (!one_) values_.clear();
    threads_ = static_cast<double>(rows_) * work_per_row() > kWorthThreads ? query.machine.threads : 1;
  }

  size_t scratch() const { return row_bytes() + static_cast<size_t>(threads_) * sums_bytes(); }

  Fault run(const Exec& exec) const noexcept override {
    std::visit([&](const auto& flat) { run_on(flat, exec); }, flat_);
    return Fault::none;
  }

  std::string describe() const override {
    const char* how = std::holds_alternative<SlowForest>(flat_) ? "node by node" : "eight walks side by side";
    return fmt::format("{} trees, {}", forest_->roots.size(), how);
  }

 private:
  static constexpr int64_t kLanes = FlatForest<float>::kLanes;
  static constexpr double kWorthThreads = 20000;  // steps from which a fork and join pays

  double work_per_row() const {
    return std::visit(
        [&]<class F>(const F& flat) {
          if constexpr (std::is_same_v<F, SlowForest>) {
            return 20.0 * static_cast<double>(flat.trees());
          } else {
            return static_cast<double>(flat.depth());
          }
        },
        flat_);
  }
  static size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }
  size_t row_bytes() const { return converts_ ? aligned(static_cast<size_t>(rows_ * columns_) * width_) : 0; }
  size_t sums_bytes() const { return aligned(static_cast<size_t>(block_ * targets_) * sizeof(double)); }

  template <class F>
  void run_on(const F& flat, const Exec& exec) const {
    auto task = [&](int thread, int threads) {
      if (thread >= threads_) return;
      const int team = std::min(threads, threads_);
      const Team::Range share = Team::share((rows_ + kLanes - 1) / kLanes, thread, team);
      const Team::Range mine{share.begin * kLanes, std::min(share.end * kLanes, rows_)};
      if (converts_) convert(exec, mine);
      auto* sums = reinterpret_cast<double*>(exec.scratch + row_bytes() + static_cast<size_t>(thread) * sums_bytes());
      for (int64_t first = mine.begin; first < mine.end; first += block_) {
        const int64_t count = std::min(block_, mine.end - first);
        std::fill_n(sums, count * targets_, start());
        block(flat, exec, first, count, sums);
        for (int64_t n = 0; n < count; ++n) finish(exec, first + n, sums + n * targets_);
      }
    };
    if (threads_ == 1) {
      task(0, 1);
    } else {
      exec.team.run(task);
    }
  }

  void convert(const Exec& exec, Team::Range rows) const {
    for (int64_t i = rows.begin * columns_; i < rows.end * columns_; ++i) {
      const double value = load_double(exec.inputs[0], in_, i);
      if (width_ == sizeof(float)) {
        reinterpret_cast<float*>(exec.scratch)[i] = static_cast<float>(value);
      } else {
        reinterpret_cast<double*>(exec.scratch)[i] = value;
      }
    }
  }

  /// Of least and most: what every weight beats.
  double start() const {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    return forest_->aggregate == Forest::Aggregate::least  ? kInfinity
           : forest_->aggregate == Forest::Aggregate::most ? -kInfinity
                                                           : 0;
  }

  void add(double* sums, int32_t leaf) const {
    if (one_) {
      *sums += values_[static_cast<size_t>(leaf)];
      return;
    }
    const Forest::Leaf& at = forest_->leaves[static_cast<size_t>(leaf)];
    for (uint32_t i = at.first; i < at.end; ++i) {
      double& sum = sums[forest_->says[i].target];
      const double weight = forest_->says[i].weight;
      switch (forest_->aggregate) {
        case Forest::Aggregate::average:
        case Forest::Aggregate::sum:
          sum += weight;
          break;
        case Forest::Aggregate::least:
          sum = std::min(sum, weight);
          break;
        case Forest::Aggregate::most:
          sum = std::max(sum, weight);
          break;
      }
    }
  }

  template <class T>
  void block(const FlatForest<T>& flat, const Exec& exec, int64_t first, int64_t count, double* sums) const {
    const auto* x = static_cast<const T*>(converts_ ? exec.scratch : exec.inputs[0]) + first * columns_;
    typename FlatForest<T>::Places leaves;
    if (count < kLanes / 2) {
      for (int64_t n = 0; n < count; ++n) {
        for (size_t tree = 0; tree < flat.trees(); tree += kLanes) {
          const size_t together = std::min<size_t>(kLanes, flat.trees() - tree);
          flat.walk_trees(tree, together, x + n * columns_, leaves);
          for (size_t i = 0; i < together; ++i) add(sums + n * targets_, leaves[i]);
        }
      }
      return;
    }
    for (size_t tree = 0; tree < flat.trees(); ++tree) {
      for (int64_t n = 0; n < count; n += kLanes) {
        std::array<const T*, kLanes> rows;
        for (int64_t lane = 0; lane < kLanes; ++lane)
          rows[static_cast<size_t>(lane)] = x + std::min(n + lane, count - 1) * columns_;
        flat.walk_rows(tree, rows, leaves);
        for (int64_t lane = 0; lane < std::min(kLanes, count - n); ++lane)
          add(sums + (n + lane) * targets_, leaves[static_cast<size_t>(lane)]);
      }
    }
  }

  void block(const SlowForest& slow, const Exec& exec, int64_t first, int64_t count, double* sums) const {
    const auto* x = static_cast<const double*>(converts_ ? exec.scratch : exec.inputs[0]) + first * columns_;
    for (int64_t n = 0; n < count; ++n) {
      const std::span<const double> row(x + n * columns_, static_cast<size_t>(columns_));
      for (const Forest::Place root : slow.forest->roots)
        add(sums + n * targets_, static_cast<int32_t>(&slow.forest->walk(root, row) - slow.forest->leaves.data()));
    }
  }

  void finish(const Exec& exec, int64_t row, double* sums) const {
    const std::span<double> scores(sums, static_cast<size_t>(targets_));
    if (start() != 0) {
      for (double& s : scores) s = s == start() ? 0 : s;  // nothing was said
    }
    if (classifies_) {
      const size_t chosen = forest_->choose(scores);
      if (exec.outputs[0] != nullptr) static_cast<int64_t*>(exec.outputs[0])[row] = static_cast<int64_t>(chosen);
    } else {
      forest_->finish(scores);
    }
    void* out = exec.outputs[classifies_ ? 1 : 0];
    if (out == nullptr) return;
    for (int64_t t = 0; t < targets_; ++t) store_double(out, out_, row * targets_ + t, scores[static_cast<size_t>(t)]);
  }

  std::shared_ptr<const Forest> forest_;
  std::variant<SlowForest, FlatForest<float>, FlatForest<double>> flat_;
  std::vector<double> values_;  ///< by leaf, where each speaks once and there is one target
  ElementType in_, out_ = ElementType::f32;
  int64_t rows_ = 0, columns_ = 0, targets_ = 1, block_ = 0;
  size_t width_ = 0;
  int threads_ = 1;
  bool classifies_, converts_ = false, one_ = false;
};

tactic::Verdict judge(const tactic::Query& query) {
  if (query.inputs[0].dims.count() == 0) return tactic::Verdict::no("empty");
  const double rows = static_cast<double>(query.inputs[0].dims.rank() == 1 ? 1 : query.inputs[0].dims[0]);
  return tactic::Verdict::yes(0.2 + 0.01 * rows, "flat trees");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext& context) {
  auto kernel = std::make_unique<TreeKernel>(query, std::make_shared<const Forest>(TRY(forest_of(query.node))));
  context.book_scratch(kernel->scratch());
  return std::unique_ptr<tactic::Kernel>(std::move(kernel));
}

}  // namespace

tactic::TacticList tree_ensemble_tactic() {
  return {{"portable.tree_ensemble",
           Isa::portable,
           {"ai.onnx.ml::TreeEnsemble", "ai.onnx.ml::TreeEnsembleRegressor", "TreeVotes"},
           judge,
           build}};
}

}  // namespace slipway::kernels

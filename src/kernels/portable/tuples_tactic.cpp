// GatherND and ScatterND (without reduction): runs of neighbours by tuples of indices.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "kernels/portable/index_fault.hpp"
#include "kernels/portable/runs.hpp"
#include "kernels/registry.hpp"
#include "ops/gather.hpp"
#include "ops/scatter.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;

struct Work {
  bool scatter = false;
  int64_t batches = 1, tuples = 1;      ///< tuples: of one batch
  int64_t batch_bytes = 0;              ///< of the data
  std::vector<int64_t> extents, steps;  ///< of the indexed axes; steps in bytes
  int64_t run = 0;                      ///< bytes
};

bool read_work(const tactic::Query& query, Work& work, std::string& reason) {
  const tactic::TensorDesc &data = query.inputs[0], &indices = query.inputs[1];
  work.scatter = query.is("ScatterND");
  if (data.type == ElementType::string || bits(data.type) < 8) return reason = "packed elements or strings", false;
  if (indices.type != ElementType::i64 && indices.type != ElementType::i32) return reason = "indices are not i32 or i64", false;
  const int rank = data.dims.rank(), index_rank = indices.dims.rank();
  if (index_rank == 0 || data.dims.count() == 0 || indices.dims.count() == 0) return reason = "empty", false;
  int batch = 0;
  if (work.scatter) {
    if (query.node.attrs.as<ops::ScatterNDAttrs>().reduction != "none") return reason = "with a reduction", false;
  } else {
    batch = static_cast<int>(query.node.attrs.as<ops::GatherNDAttrs>().batch_dims);
  }
  const auto indexed = static_cast<int>(indices.dims[index_rank - 1]);
  if (batch < 0 || batch >= index_rank || batch + indexed > rank) return reason = "tuples that do not fit", false;
  const int64_t width = bits(data.type) / 8;
  for (int a = 0; a < batch; ++a) {
    if (data.dims[a] != indices.dims[a]) return reason = "batches that do not fit", false;
  }
  work.batches = data.dims.count(0, batch);
  work.batch_bytes = data.dims.count(batch, rank) * width;
  work.tuples = indices.dims.count(batch, index_rank - 1);
  for (int a = batch; a < batch + indexed; ++a) {
    work.extents.push_back(data.dims[a]);
    work.steps.push_back(data.dims.count(a + 1, rank) * width);
  }
  work.run = data.dims.count(batch + indexed, rank) * width;
  const tactic::TensorDesc& runs = work.scatter ? query.inputs[2] : query.outputs[0];
  if (runs.dims.count() * width != work.batches * work.tuples * work.run) return reason = "runs that do not fit", false;
  return work.tuples > 0;
}

template <class Index>
class TuplesKernel final : public tactic::Kernel {
 public:
  explicit TuplesKernel(Work work) : work_(std::move(work)) {}

  Fault run(const Exec& exec) const noexcept override {
    const int64_t all = work_.batches * work_.batch_bytes;
    if (work_.scatter && exec.inputs[0] != exec.outputs[0]) {
      auto copy = [&](int thread, int threads) {
        const Team::Range r = Team::share(all, thread, threads);
        std::memcpy(static_cast<std::byte*>(exec.outputs[0]) + r.begin, static_cast<const std::byte*>(exec.inputs[0]) + r.begin,
                    static_cast<size_t>(r.end - r.begin));
      };
      exec.team.run(copy);
    }
    const auto* indices = static_cast<const Index*>(exec.inputs[1]);
    std::atomic<bool> failed = false;
    auto task = [&](int thread, int threads) {
      // Updates of equal places follow each other: each thread does all of them, on its part of the run.
      const Team::Range tuples =
          work_.scatter ? Team::Range{0, work_.tuples} : Team::share(work_.batches * work_.tuples, thread, threads);
      const Team::Range part = work_.scatter ? Team::share(work_.run, thread, threads) : Team::Range{0, work_.run};
      bool bad = false;
      for (int64_t t = tuples.begin; t < tuples.end; ++t) {
        const int64_t at = t / work_.tuples * work_.batch_bytes + place(indices, t, bad) + part.begin;
        const auto* from = static_cast<const std::byte*>(exec.inputs[work_.scatter ? 2 : 0]);
        auto* to = static_cast<std::byte*>(exec.outputs[0]);
        const int64_t other = t * work_.run + part.begin;
        work_.scatter ? runs::copy(to + at, from + other, part.end - part.begin) : runs::copy(to + other, from + at, work_.run);
      }
      if (bad) failed = true;
    };
    exec.team.run(task);
    return failed ? fault(exec, indices) : Fault::none;
  }

 private:
  int64_t place(const Index* indices, int64_t tuple, bool& bad) const {
    int64_t at = 0;
    const size_t n = work_.extents.size();
    for (size_t a = 0; a < n; ++a)
      at += position(static_cast<int64_t>(indices[tuple * static_cast<int64_t>(n) + static_cast<int64_t>(a)]), work_.extents[a],
                     bad) *
            work_.steps[a];
    return at;
  }
  Fault fault(const Exec& exec, const Index* indices) const {
    const size_t n = work_.extents.size();
    for (size_t i = 0;; ++i) {
      const int64_t extent = work_.extents[i % n];
      if (indices[i] < -extent || indices[i] >= extent)
        return index_fault(exec, work_.scatter ? "ScatterND" : "GatherND", static_cast<int64_t>(indices[i]), extent);
    }
  }

  Work work_;
};

tactic::Verdict judge(const tactic::Query& query) {
  Work work;
  std::string reason = "no tuples";
  if (!read_work(query, work, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kBytesPerUs = 10e3, kTuplesPerUs = 100;
  double bytes = static_cast<double>(work.batches * work.tuples) * static_cast<double>(work.run);
  if (work.scatter) bytes += static_cast<double>(work.batch_bytes);
  tactic::Verdict verdict =
      tactic::Verdict::yes(0.3 + bytes / kBytesPerUs + static_cast<double>(work.batches * work.tuples) / kTuplesPerUs, "runs");
  if (work.scatter) verdict.in_place = 0;
  return verdict;
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  Work work;
  std::string reason = "no tuples";
  if (!read_work(query, work, reason)) return Error(ErrorCode::internal, reason);
  std::unique_ptr<tactic::Kernel> kernel;
  if (query.inputs[1].type == ElementType::i64) {
    kernel = std::make_unique<TuplesKernel<int64_t>>(std::move(work));
  } else {
    kernel = std::make_unique<TuplesKernel<int32_t>>(std::move(work));
  }
  return kernel;
}

}  // namespace

tactic::TacticList tuples_tactic() {
  return {{"portable.tuples", Isa::portable, {"GatherND", "ScatterND"}, judge, build}};
}

}  // namespace slipway::kernels

// After the first run of a shape a Session allocates nothing: malloc counts while a test asks it to.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>

#include "runtime/session.hpp"
#include "unit/plan/plans.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLIPWAY_COUNTS_MALLOC 0
#else
#define SLIPWAY_COUNTS_MALLOC 1
#endif

namespace {
std::atomic<bool> counting{false};
std::atomic<int> allocations{0};
}  // namespace

#if SLIPWAY_COUNTS_MALLOC
extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* old, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);

void* malloc(size_t bytes) {
  if (counting.load(std::memory_order_relaxed)) ++allocations;
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  if (counting.load(std::memory_order_relaxed)) ++allocations;
  return __libc_calloc(count, bytes);
}
void* realloc(void* old, size_t bytes) {
  if (counting.load(std::memory_order_relaxed)) ++allocations;
  return __libc_realloc(old, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  if (counting.load(std::memory_order_relaxed)) ++allocations;
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** out, size_t alignment, size_t bytes) {
  if (counting.load(std::memory_order_relaxed)) ++allocations;
  *out = __libc_memalign(alignment, bytes);
  return *out == nullptr ? 12 : 0;
}
}
#endif

namespace slipway::runtime {
namespace {

/// Allocations of one run after two of the same shape; of every thread.
int allocations_of(std::string_view text, const Dims& dims, Isa isa, int threads) {
  plan::PlanOptions options = plan::portable_options();
  options.machine.isa = isa;
  options.machine.threads = threads;
  const auto graph = std::make_shared<const ir::Graph>(plan::optimised(text));
  Session session(graph, std::make_shared<PlanCache>(options), threads);
  const std::vector inputs{ir::Value(Tensor(ElementType::f32, dims))};
  std::vector<ir::Value> outputs;
  for (int i = 0; i < 2; ++i) {
    const Status done = session.run(inputs, outputs);
    EXPECT_TRUE(done) << done.error().text();
  }
  allocations = 0;
  counting = true;
  const bool done = session.run(inputs, outputs).has_value();
  counting = false;
  EXPECT_TRUE(done);
  return allocations;
}

struct Net {
  const char* name;
  std::string_view text;
  Dims dims;
};

const Net kNets[] = {
    {"convolutions",
     R"(
       input %x: f32[N,16,20,20]
       %w = const f32[32,16,3,3] random(1)
       %d = const f32[32,1,3,3] random(2)
       %p = const f32[24,32,1,1] random(3)
       %a = Conv(%x, %w) {pads=[1, 1, 1, 1]}
       %b = Relu(%a)
       %c = Conv(%b, %d) {group=32, pads=[1, 1, 1, 1], strides=[2, 2]}
       %e = Conv(%c, %p)
       %s = Sigmoid(%e)
       %m = Mul(%e, %s)
       %q = MaxPool(%m) {kernel_shape=[2, 2]}
       %g = GlobalAveragePool(%q)
       output %g)",
     {2, 16, 20, 20}},
    {"products",
     R"(
       input %x: f32[N,7,32]
       %w = const f32[32,48] random(1)
       %v = const f32[48,32] random(2)
       %scale = const f32[32] random(3)
       %a = MatMul(%x, %w)
       %b = Gelu(%a)
       %c = MatMul(%b, %v)
       %d = Add(%c, %x)
       %e = LayerNormalization(%d, %scale) {axis=-1}
       %t = Transpose(%e) {perm=[0, 2, 1]}
       %s = MatMul(%e, %t)
       %f = Softmax(%s) {axis=-1}
       output %f)",
     {3, 7, 32}},
};

TEST(Allocation, NoneAfterTheFirstRunOfAShape) {
  if (!SLIPWAY_COUNTS_MALLOC) GTEST_SKIP() << "the sanitizer has its own malloc";
  for (const Net& net : kNets) {
    for (const Isa isa : {Isa::avx2, detected_isa()}) {
      if (isa > detected_isa() || isa < Isa::avx2) continue;  // below, references serve
      for (const int threads : {1, 2}) {
        EXPECT_EQ(allocations_of(net.text, net.dims, isa, threads), 0)
            << net.name << ", " << name(isa) << ", threads " << threads;
      }
    }
  }
}

TEST(Allocation, TheCounterCounts) {
  if (!SLIPWAY_COUNTS_MALLOC) GTEST_SKIP() << "the sanitizer has its own malloc";
  allocations = 0;
  counting = true;
  std::unique_ptr<int> one(new int(1));
  counting = false;
  EXPECT_EQ(allocations, 1);
}

}  // namespace
}  // namespace slipway::runtime

// How it works. A worker is one word: a ticket number and a state. A caller that forks reserves idle workers (spinning ->
// reserved), hands each a share (-> offered) and computes share 0. A worker claims its share (-> running), then helps with shares
// that nobody was offered, and is idle again. The caller takes back every share that was not claimed by the time it is done
// itself: a worker that wakes up late costs nothing but its help. The ticket number keeps a caller from taking back a later
// caller's offer.
#include "base/thread_pool.hpp"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "base/cgroup.hpp"
#include "base/knobs.hpp"
#include "base/log.hpp"

namespace slipway {
namespace {

using Clock = std::chrono::steady_clock;

/// Two cache lines: the adjacent-line prefetcher couples pairs.
constexpr size_t kLine = 128;
/// A clock costs as much as a few pauses: it is read once in so many.
constexpr int kPausesPerClock = 16;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// The low 32 bits of an atomic: what the kernel compares.
template <class T>
uint32_t* futex_word(std::atomic<T>& word) {
  static_assert(sizeof(word) == sizeof(T) && std::endian::native == std::endian::little);
  return reinterpret_cast<uint32_t*>(&word);
}
template <class T>
void futex_wait(std::atomic<T>& word, T expected) {
  syscall(SYS_futex, futex_word(word), FUTEX_WAIT_PRIVATE, static_cast<uint32_t>(expected), nullptr, nullptr, 0);
}
/// The word may be gone already: only its address is used, and every sleeper checks again.
void futex_wake(uint32_t* address) {
  syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

/// Spins until `done()` or the time is over; returns done().
template <class Done>
bool spin(std::chrono::microseconds bound, Done done) {
  for (int i = 0; i < kPausesPerClock; ++i) {
    if (done()) return true;
    pause();
  }
  const Clock::time_point end = Clock::now() + bound;
  while (Clock::now() < end) {
    for (int i = 0; i < kPausesPerClock; ++i) {
      if (done()) return true;
      pause();
    }
  }
  return done();
}

/// One fork-join in progress: shared by the caller and the workers that it engaged.
struct Crew {
  const TeamTask* task = nullptr;
  int shares = 0;
  int first_open = 0;  ///< shares from here on were offered to nobody: whoever is free takes the next
  std::atomic<int> next_open{0};
  alignas(kLine) std::atomic<uint32_t> pending{0};  ///< engaged workers that are not done, and the flag below

  static constexpr uint32_t kCallerSleeps = 1u << 31;

  void run_open() {
    if (first_open >= shares) return;
    for (int i = next_open.fetch_add(1, std::memory_order_relaxed); i < shares;
         i = next_open.fetch_add(1, std::memory_order_relaxed)) {
      (*task)(i, shares);
    }
  }
};

/// States of a worker's word, in its low bits; the ticket number lies above.
enum State : uint64_t { kSpinning, kParked, kReserved, kOffered, kRunning };
constexpr uint64_t kTicket = 8;
constexpr uint64_t state_of(uint64_t word) {
  return word % kTicket;
}
constexpr uint64_t ticket_of(uint64_t word) {
  return word - state_of(word);
}

struct alignas(kLine) Worker {
  std::atomic<uint64_t> word{kSpinning};
  Crew* crew = nullptr;  ///< with `share`: written while reserved, read while running
  int share = 0;

  void serve(std::chrono::microseconds spin_bound) {
    for (;;) {
      const uint64_t claimed = claim(spin_bound);
      Crew& c = *crew;
      (*c.task)(share, c.shares);
      c.run_open();
      word.store(ticket_of(claimed) | kSpinning, std::memory_order_release);  // from here on others may reserve this worker
      uint32_t* const address = futex_word(c.pending);
      if (c.pending.fetch_sub(1, std::memory_order_acq_rel) == (1 | Crew::kCallerSleeps)) futex_wake(address);
    }
  }

  /// Waits for an offer and claims it; returns the word that did.
  uint64_t claim(std::chrono::microseconds spin_bound) {
    uint64_t seen = 0;
    const auto claimed = [&] {
      seen = word.load(std::memory_order_acquire);
      return state_of(seen) == kOffered &&
             word.compare_exchange_strong(seen, ticket_of(seen) | kRunning, std::memory_order_acq_rel);
    };
    while (!spin(spin_bound, claimed)) {
      if (state_of(seen) != kSpinning) continue;
      uint64_t parked = ticket_of(seen) | kParked;
      if (!word.compare_exchange_strong(seen, parked, std::memory_order_acq_rel)) continue;
      while (word.load(std::memory_order_acquire) == parked) futex_wait(word, parked);
    }
    return seen;
  }
};

/// A share given to a worker: its word as offered.
struct Offer {
  Worker* worker;
  uint64_t word;
  bool was_parked;
};

struct Pool {
  const int limit = max_threads();
  const std::chrono::microseconds spin_bound{knobs::kSpinUs.get()};
  const std::unique_ptr<Worker[]> workers{new Worker[static_cast<size_t>(limit)]};  // limit - 1 are used
  std::mutex growth;
  int wanted = 0;  ///< workers that all live teams together ask for
  std::atomic<int> started{0};
  std::atomic<unsigned> next_home{0};
  Pool* before_fork = nullptr;  ///< kept reachable: its memory may be in use in frames of the parent's threads
  alignas(kLine) std::atomic<int> callers{0};

  static Pool& current();

  void ask(int more) {
    const std::lock_guard lock(growth);
    wanted += more;
    while (started.load(std::memory_order_relaxed) < std::min(wanted, limit - 1)) {
      if (!start(workers[static_cast<size_t>(started.load(std::memory_order_relaxed))])) return;
      started.fetch_add(1, std::memory_order_release);
    }
  }
  void give_back(int fewer) {
    const std::lock_guard lock(growth);
    wanted -= fewer;
  }

  /// False when the system refuses a thread; the work is then done by fewer.
  bool start(Worker& worker) {
    sigset_t all, before;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // the program's signal handlers run on the program's threads
    bool good = true;
    try {
      std::thread thread([&worker, bound = spin_bound] { worker.serve(bound); });
      pthread_setname_np(thread.native_handle(), "slipway");
      thread.detach();
    } catch (const std::system_error& refused) {
      log(LogLevel::warning, "the system refuses another thread ({}); computing with {} workers", refused.what(), started.load());
      good = false;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return good;
  }

  /// Workers that one caller may engage now: its even part of the machine, less itself.
  int fair_part() const { return (limit - 1) / std::max(callers.load(std::memory_order_relaxed), 1); }
};

std::atomic<Pool*> g_pool{nullptr};
Pool* g_before_fork = nullptr;

/// Never destroyed: workers sleep on its memory until the process ends.
Pool& Pool::current() {
  Pool* pool = g_pool.load(std::memory_order_acquire);
  if (pool != nullptr) return *pool;
  static std::once_flag once;
  std::call_once(once, [] {
    pthread_atfork(nullptr, nullptr, [] {
      g_before_fork = g_pool.load(std::memory_order_relaxed);
      g_pool.store(nullptr, std::memory_order_relaxed);
    });
  });
  auto fresh = std::make_unique<Pool>();
  fresh->before_fork = g_before_fork;
  if (g_pool.compare_exchange_strong(pool, fresh.get(), std::memory_order_acq_rel)) return *fresh.release();
  return *pool;
}

}  // namespace

struct Team::Impl {
  Pool* pool = nullptr;
  int busy = 0;  ///< nesting of Busy
  Crew crew;
  std::vector<int> home;      ///< the worker that had share i + 1 last
  std::vector<Offer> offers;  ///< of the run in progress

  void join_pool(int size) {
    pool = &Pool::current();
    pool->ask(size - 1);
    home.resize(static_cast<size_t>(size - 1));
    offers.reserve(home.size());
    const int workers = std::max(pool->started.load(std::memory_order_acquire), 1);
    const unsigned first = pool->next_home.fetch_add(static_cast<unsigned>(size - 1));
    for (size_t i = 0; i < home.size(); ++i) home[i] = static_cast<int>((first + i) % static_cast<unsigned>(workers));
  }

  bool reserve(int index, State state) {
    Worker& worker = pool->workers[static_cast<size_t>(index)];
    uint64_t seen = worker.word.load(std::memory_order_relaxed);
    if (state_of(seen) != state) return false;
    const uint64_t ticket = ticket_of(seen) + kTicket;
    if (!worker.word.compare_exchange_strong(seen, ticket | kReserved, std::memory_order_acq_rel)) return false;
    offers.push_back({&worker, ticket | kOffered, state == kParked});
    return true;
  }

  /// An idle worker for share `at + 1`: the one that had it last, else one that is awake, else one that sleeps.
  bool reserve_any(size_t at) {
    const int count = pool->started.load(std::memory_order_acquire);
    if (home[at] < count && reserve(home[at], kSpinning)) return true;
    for (const State state : {kSpinning, kParked}) {
      for (int i = 0; i < count; ++i) {
        const int index = (home[at] + i) % count;
        if (!reserve(index, state)) continue;
        home[at] = index;
        return true;
      }
    }
    return false;
  }

  void run(const TeamTask& task, int shares) {
    offers.clear();
    const auto part = static_cast<size_t>(std::min(shares - 1, pool->fair_part()));
    while (offers.size() < part && reserve_any(offers.size())) {
    }
    const auto engaged = static_cast<uint32_t>(offers.size());
    crew.task = &task;
    crew.shares = shares;
    crew.first_open = static_cast<int>(engaged) + 1;
    crew.next_open.store(crew.first_open, std::memory_order_relaxed);
    crew.pending.store(engaged, std::memory_order_relaxed);
    for (uint32_t i = 0; i < engaged; ++i) {
      Worker& worker = *offers[i].worker;
      worker.crew = &crew;
      worker.share = static_cast<int>(i) + 1;
      worker.word.store(offers[i].word, std::memory_order_release);
      if (offers[i].was_parked) futex_wake(futex_word(worker.word));
    }
    task(0, shares);
    crew.run_open();
    if (engaged != 0) wait_for_workers(take_back(task, shares));
  }

  /// Runs every share that its worker has not begun; returns how many.
  uint32_t take_back(const TeamTask& task, int shares) {
    uint32_t taken = 0;
    for (size_t i = 0; i < offers.size(); ++i) {
      uint64_t offered = offers[i].word;
      if (!offers[i].worker->word.compare_exchange_strong(offered, ticket_of(offered) | kSpinning, std::memory_order_acq_rel))
        continue;
      task(static_cast<int>(i) + 1, shares);
      ++taken;
    }
    return taken;
  }

  void wait_for_workers(uint32_t taken) {
    if (taken != 0) crew.pending.fetch_sub(taken, std::memory_order_acq_rel);
    uint32_t left = 0;
    const auto done = [&] {
      left = crew.pending.load(std::memory_order_acquire);
      return (left & ~Crew::kCallerSleeps) == 0;
    };
    while (!spin(pool->spin_bound, done)) {
      const uint32_t sleeping = left | Crew::kCallerSleeps;
      if (!crew.pending.compare_exchange_strong(left, sleeping, std::memory_order_acq_rel)) continue;
      futex_wait(crew.pending, sleeping);
    }
  }
};

Team::Team(int threads) : size_(std::clamp(threads, 1, max_threads())) {
  if (size_ == 1) return;
  impl_ = std::make_unique<Impl>();
  impl_->join_pool(size_);
}

Team::~Team() {
  if (impl_ && impl_->pool == g_pool.load(std::memory_order_acquire)) impl_->pool->give_back(size_ - 1);
}

void Team::enter() {
  if (!impl_) return;
  if (impl_->busy++ != 0) return;
  if (impl_->pool != g_pool.load(std::memory_order_acquire)) impl_->join_pool(size_);  // this is a child after fork()
  impl_->pool->callers.fetch_add(1, std::memory_order_relaxed);
}

void Team::leave() {
  if (!impl_ || --impl_->busy != 0) return;
  impl_->pool->callers.fetch_sub(1, std::memory_order_relaxed);
}

void Team::run(TeamTask task) noexcept {
  if (!impl_) return task(0, 1);
  const Busy busy(*this);
  impl_->run(task, size_);
}

int available_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cpus = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    cpus = CPU_COUNT(&set);
  } else if (const unsigned hardware = std::thread::hardware_concurrency(); hardware != 0) {
    cpus = static_cast<int>(hardware);  // more CPUs than cpu_set_t holds
  }
  const std::optional<double> quota = cgroup_cpu_quota();
  if (quota && *quota < cpus) cpus = static_cast<int>(std::ceil(*quota));
  return std::max(cpus, 1);
}

int max_threads() {
  static const int limit = [] {
    const auto knob = static_cast<int>(knobs::kThreads.get());
    return knob > 0 ? knob : available_cpus();
  }();
  return limit;
}

}  // namespace slipway

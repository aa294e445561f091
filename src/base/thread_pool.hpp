// The one place where compute threads are made: one pool per process, sub-teams per Session.
#pragma once

#include <cstdint>
#include <memory>

namespace slipway {

/// A non-owning callable reference `void(int thread, int threads)`; cheap to pass, never allocates.
class TeamTask {
 public:
  template <class F>
  TeamTask(F& f) : object_(&f), call_([](void* o, int i, int n) { (*static_cast<F*>(o))(i, n); }) {}
  void operator()(int thread, int threads) const { call_(object_, thread, threads); }

 private:
  void* object_;
  void (*call_)(void*, int, int);
};

/// A caller's team: itself plus size() - 1 pool workers. run() is a fork-join; it neither allocates nor throws.
/// Workers spin for a bounded time (SLIPWAY_SPIN_US) after their last share, then sleep until they are needed.
/// Not thread-safe: one team serves one caller at a time. Many teams may exist; callers that run at the same time share the
/// machine evenly, and whatever no worker takes up the caller does itself, so that teams never wait for each other.
/// After fork() the child's first run starts workers anew; fork() inside a task is not supported.
class Team {
 public:
  /// `threads` >= 1; a team of one never touches the pool. More than max_threads() is capped. Starts missing workers.
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return size_; }
  /// Calls task(i, size()) once for each i in [0, size()) and returns when all are done. Share 0 runs on the caller; the same
  /// share tends to run on the same worker each time. No call of run() within the task on this team.
  void run(TeamTask task) noexcept;

  /// Marks a whole inference of many run() calls: the caller counts as busy throughout, and other teams leave it its core.
  /// Without it a caller counts as busy during each run() only.
  class Busy {
   public:
    explicit Busy(Team& team) : team_(team) { team_.enter(); }
    ~Busy() { team_.leave(); }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    Team& team_;
  };

  /// Half-open share of `items` for thread i of n: contiguous, sizes differ by at most one.
  struct Range {
    int64_t begin, end;
  };
  static Range share(int64_t items, int thread, int threads) {
    const int64_t base = items / threads, extra = items % threads;
    const int64_t begin = thread * base + (thread < extra ? thread : extra);
    return {begin, begin + base + (thread < extra ? 1 : 0)};
  }

 private:
  void enter();
  void leave();

  struct Impl;
  int size_ = 1;
  std::unique_ptr<Impl> impl_;  ///< none for a team of one
};

/// CPUs this process may use: the affinity mask and the cgroup CPU quota (rounded up), at least 1. Never the host's count.
int available_cpus();
/// Threads that compute at the same time: SLIPWAY_THREADS, or available_cpus() when that is 0. Fixed at the first call.
int max_threads();

}  // namespace slipway

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
/// Between run() calls of one Session::run the workers spin for a bounded time, then park on a futex.
/// Not thread-safe: one team serves one caller at a time. Many teams may exist; workers are shared fairly.
class Team {
 public:
  /// `threads` >= 1; a team of one never touches the pool. More than the machine allows is capped.
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const;
  /// Calls task(i, size()) once for each i in [0, size()), thread 0 being the caller; returns when all are done.
  void run(TeamTask task) noexcept;

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
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// CPUs this process may use: the affinity mask and the cgroup CPU quota (rounded up), at least 1. Never the host's count.
int available_cpus();

}  // namespace slipway

#pragma once
// Ranks as threads of the test's process.
#include "core/tensor/comm.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <barrier>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

namespace eosin::ssl {

class ThreadRanks {
 public:
  /// Runs body(comm) as each of `size` ranks; rethrows what one of them threw.
  static void run(int size, const std::function<void(const std::shared_ptr<Comm>&)>& body) {
    ThreadRanks ranks(size);
    std::vector<std::exception_ptr> thrown(static_cast<size_t>(size));
    std::vector<std::thread> threads;
    for (int rank = 0; rank < size; ++rank)
      threads.emplace_back([&, rank] {
        try {
          body(std::make_shared<Rank>(ranks, rank));
        } catch (...) {
          thrown[static_cast<size_t>(rank)] = std::current_exception();
          ranks.gate_.arrive_and_drop();
        }
      });
    for (auto& thread : threads) thread.join();
    for (const auto& exception : thrown)
      if (exception) std::rethrow_exception(exception);
  }

 private:
  explicit ThreadRanks(int size) : gate_(size), shared_(static_cast<size_t>(size)) {}

  class Rank final : public Comm {
   public:
    Rank(ThreadRanks& ranks, int rank) : ranks_(ranks), rank_(rank) {}
    int rank() const override { return rank_; }
    int size() const override { return static_cast<int>(ranks_.shared_.size()); }
    void all_reduce_sum(Tensor& t) override { t.copy_(all_gather(t.unsqueeze(0)).sum(0)); }
    void broadcast(Tensor& t, int root) override { t.copy_(all_gather(t.unsqueeze(0))[root]); }
    Tensor all_gather(const Tensor& t) override {
      ranks_.shared_[static_cast<size_t>(rank_)] = t.detach().clone();
      ranks_.gate_.arrive_and_wait();
      Tensor all = at::cat(ranks_.shared_);
      ranks_.gate_.arrive_and_wait();
      return all;
    }
    void barrier() override { ranks_.gate_.arrive_and_wait(); }

   private:
    ThreadRanks& ranks_;
    int rank_;
  };

  std::barrier<> gate_;
  std::vector<Tensor> shared_;
};

}  // namespace eosin::ssl

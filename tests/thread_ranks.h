#pragma once
// Ranks as threads of one process, for tests of what ranks compute together.
#include "core/tensor/comm.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <barrier>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace eosin {

class ThreadComm final : public Comm {
 public:
  struct Meeting {
    explicit Meeting(int ranks) : barrier(ranks), tensors(static_cast<size_t>(ranks)) {}
    std::barrier<> barrier;
    std::vector<Tensor> tensors;
  };
  ThreadComm(std::shared_ptr<Meeting> meeting, int rank) : meeting_(std::move(meeting)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(meeting_->tensors.size()); }
  void all_reduce_sum(Tensor& t) override {
    const at::NoGradGuard no_grad;
    const Tensor sum = at::stack(meet(t)).sum(0);
    meeting_->barrier.arrive_and_wait();
    t.copy_(sum);
  }
  void broadcast(Tensor& t, int root) override {
    const at::NoGradGuard no_grad;
    const Tensor copy = meet(t)[static_cast<size_t>(root)].clone();
    meeting_->barrier.arrive_and_wait();
    t.copy_(copy);
  }
  Tensor all_gather(const Tensor& t) override {
    const Tensor all = at::cat(meet(t), 0);
    meeting_->barrier.arrive_and_wait();
    return all;
  }
  void barrier() override { meeting_->barrier.arrive_and_wait(); }

 private:
  /// What every rank has brought; they may go on changing it after the next barrier.
  std::vector<Tensor> meet(const Tensor& t) {
    meeting_->tensors[static_cast<size_t>(rank_)] = t.detach();
    meeting_->barrier.arrive_and_wait();
    return meeting_->tensors;
  }

  std::shared_ptr<Meeting> meeting_;
  int rank_;
};

/// Runs every rank to its end. One that throws fails the test and leaves the others to themselves.
inline void run_ranks(int ranks, const std::function<void(const std::shared_ptr<Comm>&)>& rank) {
  const auto meeting = std::make_shared<ThreadComm::Meeting>(ranks);
  std::vector<std::thread> threads;
  for (int k = 0; k < ranks; ++k)
    threads.emplace_back([&, k] {
      try {
        rank(std::make_shared<ThreadComm>(meeting, k));
      } catch (const std::exception& e) {
        ADD_FAILURE() << "rank " << k << ": " << e.what();
        meeting->barrier.arrive_and_drop();
      }
    });
  for (auto& thread : threads) thread.join();
}

}  // namespace eosin

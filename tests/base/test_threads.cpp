#include "core/base/queue.h"
#include "core/base/stop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <thread>
#include <vector>

namespace eosin {
namespace {

TEST(Queue, KeepsOrderAndDrainsAfterClose) {
  Queue<int> q(3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(q.push(i));
  q.close();
  EXPECT_FALSE(q.push(9));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(q.pop(), i);
  EXPECT_FALSE(q.pop());
}

TEST(Queue, EveryItemArrivesOnceThroughManyThreads) {
  Queue<std::unique_ptr<int>> q(5);
  std::atomic<int64_t> sum{0}, count{0};
  std::vector<std::thread> producers, consumers;
  for (int p = 0; p < 3; ++p)
    producers.emplace_back([&, p] {
      for (int i = 0; i < 1000; ++i) q.push(std::make_unique<int>(p * 1000 + i));
    });
  for (int c = 0; c < 3; ++c)
    consumers.emplace_back([&] {
      while (auto item = q.pop()) sum += **item, ++count;
    });
  for (auto& t : producers) t.join();
  q.close();
  for (auto& t : consumers) t.join();
  EXPECT_EQ(count, 3000);
  EXPECT_EQ(sum, 2999 * 3000 / 2);
}

TEST(Queue, CloseEndsEveryWait) {
  Queue<int> full(1), empty(1);
  full.push(0);
  std::thread producer([&] { EXPECT_FALSE(full.push(1)); }), consumer([&] { EXPECT_FALSE(empty.pop()); });
  full.close();
  empty.close();
  producer.join();
  consumer.join();
  EXPECT_EQ(full.pop(), 0);
}

TEST(Stop, ASignalSetsTheFlag) {
  stop::install();
  for (const int number : {SIGTERM, SIGUSR2, SIGINT}) {
    stop::reset();
    EXPECT_FALSE(stop::requested());
    std::raise(number);
    EXPECT_TRUE(stop::requested());
  }
  stop::reset();
}

TEST(Stop, ASecondInterruptEndsTheProcess) {
  EXPECT_EXIT(
      {
        stop::install();
        std::raise(SIGINT);
        std::raise(SIGINT);
        std::exit(0);
      },
      ::testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace eosin

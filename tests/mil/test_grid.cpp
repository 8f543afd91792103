// Models of a grid: each is what it would be alone.
#include "mil/grid.h"

#include "core/base/error.h"
#include "core/base/stop.h"
#include "mil/heads.h"
#include "mil/trial_records.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>

namespace eosin::mil {
namespace {

constexpr int64_t kBags = 24, kDim = 5;

/// Bags of 2 to 6 tiles; in those of class 1 one tile is bright.
class Planted final : public data::BagSource {
 public:
  explicit Planted(int64_t spoilt = -1) : spoilt_(spoilt) {}
  int64_t size() const override { return kBags; }
  data::BagBatch read(int64_t b) const override {
    auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(b));
    data::BagBatch bag;
    bag.features_ND = at::randn({2 + b % 5, kDim}, generator);
    if (b % 2 == 1) bag.features_ND[0].fill_(8);
    if (b == spoilt_) bag.features_ND[0][0] = 1e38;
    bag.offsets = {0, bag.features_ND.size(0)};
    bag.ids = {"bag-" + std::to_string(b)};
    return bag;
  }

 private:
  int64_t spoilt_;
};

data::BagStore store(int64_t memory_bytes = 1 << 20, int64_t spoilt = -1) {
  data::BagStore::Options o;
  o.memory_bytes = memory_bytes;
  return data::BagStore(std::make_unique<Planted>(spoilt), o);
}

Outcomes outcomes() {
  Outcomes o;
  o.n_classes = 2;
  for (int64_t b = 0; b < kBags; ++b) o.label.push_back(b % 2);
  return o;
}

config::Choice head(const std::string& name, const std::vector<std::string>& settings = {}) {
  struct Wrapper {
    config::Choice head{head_table(), "abmil"};
    void visit(config::Visitor& v) { v("head", head, "the head"); }
  } w;
  config::Source source;
  source.override_with("head.name=" + name);
  for (const auto& s : settings) source.override_with(s);
  config::read(source, w);
  return w.head;
}

/// Three splits and models of several heads, rates and seeds in each.
struct Job {
  Outcomes known = outcomes();
  std::vector<Fold> folds;
  std::vector<Trial> trials;
  FitConfig fit;
  int64_t block_bytes = 500;  // some bags

  Job() {
    fit.epochs = 3, fit.batch_size = 3;
    const config::Choice task(task_table(), "classes");
    for (int64_t f = 0; f < 3; ++f) {
      Fold& fold = folds.emplace_back();
      fold.name = "fold " + std::to_string(f);
      for (int64_t b = 0; b < kBags; ++b) (b / 2 % 3 == f ? fold.test : b / 2 % 3 == (f + 1) % 3 ? fold.val : fold.train).push_back(b);
      fold.task = fit_task(task, known, fold.train);
      if (f == 2) fold.sampling = Sampling::ClassBalanced;
    }
    for (size_t f = 0; f < folds.size(); ++f)
      for (const double lr : {f == 1 ? 1e-3 : 1e-2})
        for (const auto& h : {head("abmil", {"head.embed_dims=[7]", "head.attention_dim=3"}), head("mean", {"head.hidden_dim=7"}),
                              head("clam_sb", {"head.embed_dim=7", "head.attention_dim=3", "head.k_sample=1"})})
          trials.push_back({h.name() + std::to_string(f) + std::to_string(lr), h, f, 11 + f, lr, 1e-5});
    trials.back().shuffled = true;
  }
};

std::map<std::string, TrialResult> train(const Job& job, const data::BagStore& bags, const std::vector<Trial>& trials, int64_t threads,
                                         int64_t together) {
  const Grid grid{bags, job.folds, job.known.label, job.fit, 5, job.block_bytes};
  std::map<std::string, TrialResult> results;
  GridOptions o;
  o.threads = threads, o.together = together;
  o.finished = [&](const Trial& t, TrialResult r) { results[t.key] = std::move(r); };
  EXPECT_TRUE(train_grid(grid, trials, o));
  return results;
}

void expect_same(const TrialResult& a, const TrialResult& b, const std::string& key) {
  EXPECT_EQ(a.epoch, b.epoch) << key;
  EXPECT_EQ(a.epochs, b.epochs) << key;
  EXPECT_EQ(a.score, b.score) << key;
  EXPECT_EQ(a.losses, b.losses) << key;
  EXPECT_EQ(a.scores, b.scores) << key;
  EXPECT_TRUE(a.val_MC.equal(b.val_MC)) << key;
  EXPECT_TRUE(a.test_MC.equal(b.test_MC)) << key;
}

TEST(Grid, AModelIsBitForBitWhatItIsAloneForAnyCompanyThreadsAndMemory) {
  const Job job;
  const data::BagStore resident = store(), streamed = store(300);
  ASSERT_TRUE(resident.resident());
  ASSERT_FALSE(streamed.resident());
  const auto all = train(job, resident, job.trials, 1, 64);
  ASSERT_EQ(all.size(), job.trials.size());
  const auto threaded = train(job, resident, job.trials, 3, 5), from_disk = train(job, streamed, job.trials, 2, 64);
  for (const Trial& t : job.trials) {
    const TrialResult alone = train(job, resident, {t}, 1, 1).at(t.key);
    expect_same(all.at(t.key), alone, t.key);
    expect_same(threaded.at(t.key), alone, t.key);
    expect_same(from_disk.at(t.key), alone, t.key);
    for (const auto& [name, w] : alone.weights) EXPECT_TRUE(w.equal(all.at(t.key).weights.at(name))) << t.key << name;
  }
}

/// Notes the bags of every step.
class Watched final : public Task {
 public:
  explicit Watched(std::shared_ptr<const Task> task) : task_(std::move(task)) {}
  int64_t n_outputs() const override { return task_->n_outputs(); }
  RowLoss loss(const std::vector<int64_t>& bags) const override {
    seen.insert(seen.end(), bags.begin(), bags.end());
    return task_->loss(bags);
  }
  Tensor answers(const Tensor& logits_BC) const override { return task_->answers(logits_BC); }
  mutable std::vector<int64_t> seen;

 private:
  std::shared_ptr<const Task> task_;
};

/// The bags that a model of fold 0 trains on, in its order.
std::vector<int64_t> order_of(Job job, uint64_t seed, int64_t block_bytes, Sampling sampling = Sampling::Natural, int64_t epochs = 1) {
  const auto watched = std::make_shared<Watched>(job.folds[0].task);
  job.folds[0].task = watched;
  job.folds[0].sampling = sampling;
  job.folds[0].selection.by = Selection::By::Last;
  job.block_bytes = block_bytes, job.fit.epochs = epochs, job.fit.batch_size = 1;
  Trial trial = job.trials[0];
  trial.seed = seed;
  train(job, store(), {trial}, 1, 1);
  return watched->seen;
}

TEST(Grid, SeedsHaveTheirOwnOrderInsideOfSharedBlocks) {
  const Job job;
  const auto first = order_of(job, 1, 1 << 20), second = order_of(job, 2, 1 << 20);
  EXPECT_NE(first, second);
  EXPECT_TRUE(std::is_permutation(first.begin(), first.end(), job.folds[0].train.begin(), job.folds[0].train.end()));
  EXPECT_TRUE(std::is_permutation(second.begin(), second.end(), first.begin(), first.end()));
  EXPECT_EQ(order_of(job, 1, 1), order_of(job, 2, 1));  // every bag is a block of its own
  const auto epochs = order_of(job, 1, 1 << 20, Sampling::Natural, 2);
  EXPECT_EQ(std::vector<int64_t>(epochs.begin(), epochs.begin() + 8), first);
  EXPECT_NE(std::vector<int64_t>(epochs.begin() + 8, epochs.end()), first);
}

TEST(Grid, BalancedSamplingDrawsEveryClassAlike) {
  Job job;
  for (int64_t b = 0; b < kBags; ++b) job.known.label[static_cast<size_t>(b)] = b == job.folds[0].train[3];
  for (Fold& fold : job.folds) fold.task = fit_task(config::Choice(task_table(), "classes"), job.known, fold.train);
  constexpr int64_t kEpochs = 60;
  const auto seen = order_of(job, 1, 1 << 20, Sampling::ClassBalanced, kEpochs);
  ASSERT_EQ(seen.size(), 8U * kEpochs);
  const auto rare = std::count(seen.begin(), seen.end(), job.folds[0].train[3]);
  EXPECT_NEAR(static_cast<double>(rare) / static_cast<double>(seen.size()), 0.5, 0.09);  // 4 deviations
  EXPECT_NE(seen, order_of(job, 2, 1 << 20, Sampling::ClassBalanced, kEpochs));
  for (const int64_t b : job.folds[0].train) EXPECT_GT(std::count(seen.begin(), seen.end(), b), 0) << b;
}

TEST(Grid, LearnsWhatIsPlantedAndSeedsDiffer) {
  Job job;
  job.fit.epochs = 120;
  std::vector<Trial> trials(2, job.trials[0]);
  for (Trial& t : trials) t.head = head("abmil", {"head.embed_dims=[32]", "head.attention_dim=8"}), t.lr = 3e-3;
  trials[1].key = "other", trials[1].seed = 99;
  const auto results = train(job, store(), trials, 1, 64);
  for (const auto& [key, r] : results) {
    const Tensor said = r.test_MC.argmax(1);
    int64_t right = 0;
    for (size_t i = 0; i < job.folds[0].test.size(); ++i) right += said[static_cast<int64_t>(i)].item<int64_t>() == job.folds[0].test[i] % 2;
    EXPECT_GE(right, 7) << key;
  }
  EXPECT_FALSE(results.at("other").test_MC.equal(results.at(trials[0].key).test_MC));
}

TEST(Grid, StopsEarlyOnValidationAloneAndKeepsTheBestEpoch) {
  Job job;
  job.fit.epochs = 20;
  Fold& fold = job.folds[0];
  std::vector<int64_t> shown;
  fold.selection.by = Selection::By::Answers;
  fold.selection.patience = 4;
  int64_t epoch = 0;
  fold.selection.judge = [&](const Tensor&, const std::vector<int64_t>& bags) {
    shown = bags;
    return ++epoch == 5 ? 1.0 : 0.0;
  };
  const TrialResult r = train(job, store(), {job.trials[0]}, 1, 1).at(job.trials[0].key);
  EXPECT_EQ(r.epoch, 5);
  EXPECT_EQ(r.epochs, 9);
  EXPECT_EQ(shown, fold.val);
  fold.selection.min_epochs = 12, epoch = 0;
  EXPECT_EQ(train(job, store(), {job.trials[0]}, 1, 1).at(job.trials[0].key).epochs, 12);
  fold.selection = {};
  fold.selection.by = Selection::By::Last;
  EXPECT_EQ(train(job, store(), {job.trials[0]}, 1, 1).at(job.trials[0].key).epoch, 20);
}

TEST(Grid, ATestBagMovesNothingThatIsChosen) {
  const Job job;
  const Trial& t = job.trials[0];
  const TrialResult clean = train(job, store(), {t}, 1, 1).at(t.key), other = train(job, store(1 << 20, job.folds[0].test[0]), {t}, 1, 1).at(t.key);
  EXPECT_EQ(clean.scores, other.scores);
  EXPECT_TRUE(clean.test_MC.slice(0, 1).equal(other.test_MC.slice(0, 1)));
}

TEST(Grid, ALossThatIsNotFiniteEndsItsModelAndNamesTheBag) {
  Job job;
  const int64_t bag = job.folds[0].train[1];  // it trains in fold 0, and tests or validates in the others
  std::vector<Trial> trials = {job.trials[0], job.trials[3]};
  ASSERT_EQ(trials[1].fold, 1U);
  trials[0].head = trials[1].head = head("mean", {"head.hidden_dim=7"});
  Fold& other = job.folds[1];
  for (auto* part : {&other.train, &other.val, &other.test}) std::erase(*part, bag);
  data::BagStore::Options o;
  class Huge final : public data::BagSource {
   public:
    explicit Huge(int64_t bag) : bag_(bag) {}
    int64_t size() const override { return kBags; }
    data::BagBatch read(int64_t b) const override {
      data::BagBatch x = planted_.read(b);
      if (b == bag_) x.features_ND.fill_(3e38);
      return x;
    }

   private:
    Planted planted_;
    int64_t bag_;
  };
  const data::BagStore bags(std::make_unique<Huge>(bag), o);
  const auto results = train(job, bags, trials, 1, 64);
  EXPECT_NE(results.at(trials[0].key).failure.find("bag-" + std::to_string(bag)), std::string::npos) << results.at(trials[0].key).failure;
  EXPECT_TRUE(results.at(trials[1].key).failure.empty()) << results.at(trials[1].key).failure;
  EXPECT_TRUE(results.at(trials[1].key).test_MC.defined());
}

TEST(Grid, GoesOnFromACheckpointToTheSameBits) {
  Job job;
  job.fit.epochs = 5;
  job.folds[1].selection.patience = 1;
  job.trials.push_back(job.trials[0]);
  job.trials.back().key = "mhim", job.trials.back().head = head("mhim", {"head.head.embed_dims=[7]", "head.head.attention_dim=3"});
  const data::BagStore bags = store();
  const auto whole = train(job, bags, job.trials, 1, 64);
  const TemporaryFolder folder;
  const Grid grid{bags, job.folds, job.known.label, job.fit, 5, job.block_bytes};
  std::map<std::string, TrialResult> results;
  GridOptions o;
  o.checkpoints = folder / "checkpoints";
  o.finished = [&](const Trial& t, TrialResult r) { results[t.key] = std::move(r); };
  int64_t calls = 0, epochs = 0;
  o.progress = [&](int64_t, int64_t) {
    if (++calls == 3) stop::request();
  };
  EXPECT_FALSE(train_grid(grid, job.trials, o));
  stop::reset();
  EXPECT_TRUE(results.empty());
  EXPECT_TRUE(std::filesystem::exists(folder / "checkpoints/LATEST"));
  o.progress = [&](int64_t done, int64_t skipped) { epochs += done + skipped; };
  EXPECT_TRUE(train_grid(grid, job.trials, o));
  EXPECT_EQ(epochs, static_cast<int64_t>(job.trials.size()) * job.fit.epochs);
  EXPECT_FALSE(std::filesystem::exists(folder / "checkpoints"));
  ASSERT_EQ(results.size(), whole.size());
  for (const auto& [key, r] : whole) {
    expect_same(results.at(key), r, key);
    for (const auto& [name, w] : r.weights) EXPECT_TRUE(w.equal(results.at(key).weights.at(name))) << key << name;
  }
}

TEST(Grid, DoesNotTakeTheCheckpointOfOtherModels) {
  const Job job;
  const data::BagStore bags = store();
  const TemporaryFolder folder;
  const Grid grid{bags, job.folds, job.known.label, job.fit, 5, job.block_bytes};
  std::map<std::string, TrialResult> results;
  GridOptions o;
  o.checkpoints = folder / "checkpoints", o.checkpoint_s = 0;
  o.finished = [&](const Trial& t, TrialResult r) { results[t.key] = std::move(r); };
  o.progress = [&](int64_t, int64_t) { stop::request(); };
  EXPECT_FALSE(train_grid(grid, {job.trials[0]}, o));
  stop::reset();
  o.progress = {};
  EXPECT_TRUE(train_grid(grid, {job.trials[1]}, o));
  expect_same(results.at(job.trials[1].key), train(job, bags, {job.trials[1]}, 1, 1).at(job.trials[1].key), "another");
}

TEST(Grid, AStopLeavesTheRestOut) {
  const Job job;
  const data::BagStore bags = store();
  const Grid grid{bags, job.folds, job.known.label, job.fit, 5};
  int64_t finished = 0;
  GridOptions o;
  o.together = 2;
  o.finished = [&](const Trial&, const TrialResult&) {
    if (++finished == 4) stop::request();
  };
  EXPECT_FALSE(train_grid(grid, job.trials, o));
  stop::reset();
  EXPECT_EQ(finished, 4);
}

TEST(TrialRecords, GiveBackTheBitsAndLoseOnlyALineThatWasCut) {
  const TemporaryFolder folder;
  const Job job;
  const auto results = train(job, store(), {job.trials[0], job.trials[1]}, 1, 64);
  {
    TrialRecords records(folder / "models.jsonl");
    for (const auto& [key, r] : results) records.add(key, r);
  }
  std::ofstream(folder / "models.jsonl", std::ios::app) << "{\"key\": \"cut";
  const TrialRecords again(folder / "models.jsonl");
  for (const auto& [key, r] : results) expect_same(*again.find(key), r, key);
  EXPECT_EQ(again.find("cut"), nullptr);
  std::ofstream(folder / "bad.jsonl") << "{\"key\": 3}\n";
  EXPECT_NE(message_of([&] { TrialRecords(folder / "bad.jsonl"); }, ErrorKind::Data).find("bad.jsonl:1"), std::string::npos);
}

}  // namespace
}  // namespace eosin::mil

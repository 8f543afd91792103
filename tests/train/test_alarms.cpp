#include "train/alarms.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/stop.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"
#include "tests/thread_ranks.h"
#include "tests/train/toy.h"
#include "train/probe_hook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace eosin::train {
namespace {

using testing::HasSubstr;

TEST(Alarm, ReadsMeasureBoundAndAction) {
  const Alarm low = parse_alarm("rankme < 5.5: warn"), high = parse_alarm("loss>1e3:abort"),
              module = parse_alarm(" grad_norms/head > -2 : halve_lr ");
  EXPECT_EQ(low.measure, "rankme");
  EXPECT_EQ(low.action, "warn");
  EXPECT_TRUE(low.rings(5.4));
  EXPECT_FALSE(low.rings(5.5));
  EXPECT_TRUE(high.rings(1001));
  EXPECT_FALSE(high.rings(NAN));
  EXPECT_EQ(module.measure, "grad_norms/head");
  EXPECT_EQ(module.bound, -2);
}

TEST(Alarm, RefusesWhatIsNoRule) {
  for (const char* text :
       {"", "loss", "loss > : warn", "loss > x: warn", "loss > 1", "> 1: warn", "loss > 1 2: warn", "loss > inf: warn", "a: b < 3"})
    EXPECT_THAT(message_of([&] { parse_alarm(text); }, ErrorKind::Config), HasSubstr("cannot be read")) << text;
  EXPECT_THAT(message_of([] { parse_alarm("loss > 1: shout"); }, ErrorKind::Config), HasSubstr("warn, halve_lr, rollback, abort"));
}

/// Gives each step its number of a list.
struct Measure final : Hook {
  std::vector<double> values;
  explicit Measure(std::vector<double> v) : values(std::move(v)) {}
  void after(StepReport& report) override { report.measures = {{"rankme", values.at(static_cast<size_t>(report.progress.step))}}; }
};
struct Recorder final : Hook {
  std::vector<double> lr;
  void after(StepReport& report) override { lr.push_back(report.lr * (1.0 + static_cast<double>(report.progress.step)) / 0.02); }
};

struct AlarmTest : testing::Test {
  void SetUp() override { stop::reset(); }
  /// A run in which the alarms hear the given values of rankme.
  struct Watched : toy::Run {
    Watched(std::vector<std::string> alarms, std::vector<double> values) : Run(toy::config(static_cast<int64_t>(values.size()))) {
      WatchConfig watch;
      watch.alarms = std::move(alarms);
      trainer.add(std::make_shared<Measure>(std::move(values)));
      trainer.add(std::make_shared<AlarmHook>(watch, trainer, 1));
      trainer.add(recorder);
    }
    std::shared_ptr<Recorder> recorder = std::make_shared<Recorder>();
  };
};

TEST_F(AlarmTest, HalvesTheRateOnceACrossing) {
  Watched run({"rankme < 5: halve_lr"}, {6, 4, 3, NAN, 4, 7, 2, 2});
  run.trainer.run();
  EXPECT_THAT(run.recorder->lr, testing::ElementsAre(1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25));
}

TEST_F(AlarmTest, RingsOnOverARestart) {
  const std::vector<double> values = {6, 4, 3, 3, 4, 7, 2, 2};
  Watched whole({"rankme < 5: halve_lr"}, values), first({"rankme < 5: halve_lr"}, values), second({"rankme < 5: halve_lr"}, values);
  whole.trainer.run();
  first.trainer.run_until(0);
  struct StopAt final : Hook {
    void before(const Progress& p) override {
      if (p.step == 3) stop::request();
    }
  };
  first.trainer.add(std::make_shared<StopAt>());
  EXPECT_EQ(first.trainer.run(), Outcome::kStopped);
  stop::reset();
  second.trainer.load_state(toy::frozen(first.trainer.state()));
  second.trainer.run();
  EXPECT_EQ(whole.trainer.state().values, second.trainer.state().values);
  for (const auto& [name, tensor] : whole.net->state().tensors) EXPECT_TRUE(tensor.equal(second.net->state().tensors.at(name))) << name;
}

TEST_F(AlarmTest, AbortsWithTheMeasureInTheMessage) {
  Watched run({"rankme < 5: abort"}, {6, 6, 4.25, 6});
  EXPECT_THAT(message_of([&] { run.trainer.run(); }, ErrorKind::Numeric), testing::AllOf(HasSubstr("step 3"), HasSubstr("rankme is 4.25")));
}

TEST_F(AlarmTest, NamesAMeasureThatNobodyMakes) {
  const TemporaryFolder folder;
  Watched run({"rankmee < 5: warn", "grad_norms/head < 0: warn", "momentum < 0: warn", "error < 0: warn"}, {6, 6, 6});
  log::set_file(folder / "log.txt");
  run.trainer.run();
  log::set_file("");
  std::stringstream text;
  text << std::ifstream(folder / "log.txt").rdbuf();
  EXPECT_THAT(text.str(), HasSubstr("'rankmee < 5: warn' has seen no measure"));
  EXPECT_THAT(text.str(), testing::Not(HasSubstr("momentum < 0")));
  EXPECT_THAT(text.str(), testing::Not(HasSubstr("grad_norms/head < 0")));
  EXPECT_THAT(text.str(), testing::Not(HasSubstr("error < 0")));
}

TEST_F(AlarmTest, RanksHearWhatRankZeroMeasures) {
  std::vector<std::vector<double>> rates(2);
  run_ranks(2, [&](const std::shared_ptr<Comm>& comm) {
    toy::Run run(toy::config(6), comm);
    int64_t calls = 0;
    run.trainer.add(std::make_shared<ProbeHook>(
        2,
        [&]() -> NamedValues {
          EXPECT_EQ(comm->rank(), 0);
          return {{"rankme", 1.0 / 3.0 - static_cast<double>(++calls)}, {"undefined", NAN}};
        },
        *comm));
    WatchConfig watch;
    watch.alarms = {"rankme < -1.5: halve_lr"};
    run.trainer.add(std::make_shared<AlarmHook>(watch, run.trainer, 2));
    const auto recorder = std::make_shared<Recorder>();
    run.trainer.add(recorder);
    run.trainer.run();
    rates[static_cast<size_t>(comm->rank())] = recorder->lr;
  });
  EXPECT_THAT(rates[0], testing::ElementsAre(1, 1, 1, 1, 0.5, 0.5));
  EXPECT_EQ(rates[0], rates[1]);
}

}  // namespace
}  // namespace eosin::train

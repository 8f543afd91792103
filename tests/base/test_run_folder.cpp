#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/run_config.h"
#include "core/base/run_folder.h"
#include "tests/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace eosin {
namespace {
namespace fs = std::filesystem;
using ::testing::HasSubstr;

struct Job {
  RunConfig run;
  double lr = 0.1;
  int64_t steps = 10;
  void visit(config::Visitor& v) {
    v("run", run, "run folder");
    v("lr", lr, "learning rate");
    v("steps", steps, "steps");
  }
};

class Runs : public ::testing::Test {
 protected:
  ~Runs() override { log::set_file(""); }
  RunFolder open(Job job = {}, RunFolder::Options options = {}, const std::string& verb = "job") const {
    return RunFolder(folder_ / "a", config::visit_of(job), verb, options);
  }
  /// A process that did a step.
  void work(Job job = {}) const { open(job).add_metrics({{"step", 1}}); }
  std::string refusal(const Job& job, const std::string& verb = "job") const {
    try {
      open(job, {}, verb);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::Config);
      return e.what();
    }
    return "";
  }
  nlohmann::json manifest(const std::string& name = "a") const { return nlohmann::json::parse(read_file(folder_ / (name + "/manifest.json"))); }
  TemporaryFolder folder_;
};

TEST_F(Runs, NewFolderHoldsConfigManifestAndLog) {
  ::setenv("NCCL_DEBUG", "WARN", 1);
  ::setenv("SECRET_TOKEN", "x", 1);
  RunFolder run = open();
  EXPECT_FALSE(run.resumed());
  log::info("hello");
  Job job;
  EXPECT_EQ(read_file(run.path("config.yaml")), config::to_yaml(config::visit_of(job), "job"));
  EXPECT_THAT(read_file(run.path("log.txt")), HasSubstr("hello"));
  const auto m = manifest();
  EXPECT_EQ(m["verb"], "job");
  EXPECT_EQ(m["config_hash"].get<std::string>().size(), 64u);
  EXPECT_EQ(m["environment"]["NCCL_DEBUG"], "WARN");
  EXPECT_FALSE(m["environment"].contains("SECRET_TOKEN"));
  EXPECT_EQ(m["seed"], 0);
  EXPECT_GE(m["machine"]["cores"], 1);
  EXPECT_EQ(m["attempts"].size(), 1u);
  EXPECT_FALSE(m["attempts"][0].contains("exit_code"));
}

TEST_F(Runs, SameConfigResumesWhateverNameDeviceAndThreadsSay) {
  work();
  Job job;
  job.run.name = "other", job.run.device = "cuda", job.run.threads = 3;
  RunFolder run = open(job);
  EXPECT_TRUE(run.resumed());
  EXPECT_EQ(manifest()["attempts"].size(), 2u);
  EXPECT_THAT(read_file(run.path("config.yaml")), HasSubstr("threads: 3"));
}

TEST_F(Runs, AnotherConfigIsRefusedWithKeyAndValues) {
  work();
  Job job;
  job.lr = 0.2, job.steps = 20;
  EXPECT_EQ(refusal(job), fmt::format("[{}] holds a run with another config: lr is 0.1 there and 0.2 here (and 1 more); use --fresh, "
                                      "--resume-with-changes or another run.dir",
                                      folder_ / "a"));
  EXPECT_THAT(refusal({}, "other"), HasSubstr("verb is job there and other here;"));
  EXPECT_EQ(refusal({}), "");  // and the refusals left it as it was
}

TEST_F(Runs, AFailedStartDoesNotClaimTheFolder) {
  EXPECT_THROW(open().record([]() -> int { fail(ErrorKind::Io, "no such store"); }), Error);
  fs::create_directories(folder_ / "a/checkpoints");
  Job job;
  job.lr = 0.2;
  EXPECT_FALSE(open(job).resumed());
  EXPECT_THAT(read_file(folder_ / "a/config.yaml"), HasSubstr("lr: 0.2"));
  EXPECT_EQ(manifest()["attempts"].size(), 2u);
  std::ofstream(folder_ / "a/checkpoints/step-00000001") << "weights";
  EXPECT_THAT(refusal({}), HasSubstr("lr is 0.2 there and 0.1 here"));
}

TEST_F(Runs, FreshTakesTheNextFreeNumber) {
  open();
  Job job;
  job.lr = 0.2;
  EXPECT_EQ(open(job, {.fresh = true}).dir(), folder_ / "a-2");
  EXPECT_EQ(open(job, {.fresh = true}).dir(), folder_ / "a-3");
}

TEST_F(Runs, ResumeWithChangesRecordsThem) {
  work();
  Job job;
  job.lr = 0.2;
  EXPECT_TRUE(open(job, {.resume_with_changes = true}).resumed());
  EXPECT_EQ(manifest()["attempts"][1]["changed"]["lr"], (nlohmann::json{"0.1", "0.2"}));
  EXPECT_TRUE(open(job).resumed());
}

TEST_F(Runs, SecondProcessIsRefused) {
  const RunFolder first = open();
  try {
    open();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Io);
    EXPECT_THAT(e.what(), HasSubstr("a] is in use by process"));
  }
}

TEST_F(Runs, MetricsBeyondTheStepOfResumingAreDropped) {
  {
    RunFolder run = open();
    for (int step = 1; step <= 5; ++step) run.add_metrics({{"step", step}, {"loss", 0.5 * step}});
  }
  std::ofstream(folder_ / "a/metrics.jsonl", std::ios::app) << "{\"step\": 6, \"lo";  // killed while writing
  RunFolder run = open();
  run.truncate_metrics_after(3);
  run.add_metrics({{"step", 4}, {"loss", 7}});
  EXPECT_EQ(read_file(run.path("metrics.jsonl")),
            "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":1.0}\n{\"step\":3,\"loss\":1.5}\n{\"step\":4,\"loss\":7}\n");
}

TEST_F(Runs, FailuresAreLinesWhateverTheyHold) {
  RunFolder run = open();
  run.add_failure({"s1", "open", "not a slide\n\xff", 2});
  const auto row = nlohmann::json::parse(read_file(run.path("failures.jsonl")));
  EXPECT_EQ(row["id"], "s1");
  EXPECT_EQ(row["stage"], "open");
  EXPECT_EQ(row["attempt"], 2);
}

TEST_F(Runs, ExitCodeIsRecordedAlsoWhenTheWorkThrows) {
  EXPECT_EQ(open().record([] { return 75; }), 75);
  EXPECT_EQ(manifest()["attempts"][0]["exit_code"], 75);
  EXPECT_THROW(open().record([]() -> int { fail(ErrorKind::Numeric, "loss is not finite"); }), Error);
  EXPECT_EQ(manifest()["attempts"][1]["exit_code"], 6);
  EXPECT_THROW(open().record([]() -> int { throw std::bad_alloc(); }), std::bad_alloc);
  EXPECT_EQ(manifest()["attempts"][2]["exit_code"], 7);
}

TEST_F(Runs, NotesAreInTheManifestAtOnce) {
  RunFolder run = open();
  run.note("data", {{"store", "abc"}});
  EXPECT_EQ(manifest()["data"]["store"], "abc");
}

TEST_F(Runs, NotesAndMetricsOfEarlierProcessesAreKnown) {
  {
    RunFolder run = open();
    EXPECT_TRUE(run.noted_before("threads").is_null());
    EXPECT_TRUE(run.last_metric("loss").is_null());
    run.note("threads", 3);
    run.add_metrics({{"step", 1}, {"loss", 0.5}});
    run.add_metrics({{"step", 2}, {"loss", 0.25}});
    run.add_metrics({{"step", 3}});
  }
  const RunFolder run = open();
  EXPECT_EQ(run.noted_before("threads"), 3);
  EXPECT_EQ(run.last_metric("loss"), 0.25);
}

TEST_F(Runs, BrokenManifestDoesNotStopAResume) {
  work();
  std::ofstream(folder_ / "a/manifest.json") << "{\"attempts\": [";
  EXPECT_TRUE(open().resumed());
  EXPECT_EQ(manifest()["attempts"].size(), 1u);
}

TEST_F(Runs, FolderThatCannotBeMadeIsAnIoError) {
  std::ofstream(folder_ / "a") << "a file";
  try {
    open();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Io);
  }
}

TEST(Machine, NamesWhatItRunsOn) {
  const Machine m = machine();
  EXPECT_FALSE(m.host.empty());
  EXPECT_FALSE(m.cpu.empty());
  EXPECT_GE(m.cores, 1);
  EXPECT_GT(m.memory_bytes, uint64_t{1} << 26);
}

}  // namespace
}  // namespace eosin

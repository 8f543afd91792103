// The contract of the command line: help, version, exit codes, the last line of stderr, refusal of wrong configs before work.
#include "tests/checkout.h"
#include "tests/system/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::system_test {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

const std::vector<std::string> kVerbs = {"demo",   "tile",   "store",  "pretrain", "embed", "eval",   "compare", "segmentation", "bench",
                                         "report", "export", "import", "config",   "list",  "doctor", "run",     "launch"};

TEST(CommandLine, EveryVerbExplainsItself) {
  for (const auto& verb : kVerbs) {
    const Outcome o = eosin({verb, "--help"});
    EXPECT_EQ(o.code, 0) << verb << o.err;
    EXPECT_THAT(o.out, HasSubstr("Example:\n  eosin " + verb)) << verb;
  }
}

TEST(CommandLine, EveryActionExplainsItself) {
  const std::vector<std::vector<std::string>> actions = {{"bench", "loader", "views"},
                                                         {"bench", "store", "records"},
                                                         {"bench", "list", "shards"},
                                                         {"bench", "tile", "tile.size_px"},
                                                         {"bench", "step", "precision"},
                                                         {"bench", "loss", "rows"},
                                                         {"store", "info", ""},
                                                         {"store", "verify", "--decode"},
                                                         {"store", "merge", "shuffle_seed"},
                                                         {"store", "export", "shard_mib"},
                                                         {"store", "import", "images"},
                                                         {"store", "stain-fit", "pixels"},
                                                         {"config", "check", ""},
                                                         {"config", "schema", ""}};
  for (const auto& a : actions) {
    const Outcome o = eosin({a[0], a[1], "--help"});
    EXPECT_EQ(o.code, 0) << a[1] << o.err;
    EXPECT_THAT(o.out, HasSubstr("Example:\n  eosin " + a[0] + " " + a[1])) << a[1];
    EXPECT_THAT(o.out, HasSubstr(a[2])) << a[1];
  }
  EXPECT_THAT(eosin({"bench", "store", "--help"}).out, Not(HasSubstr("views=")));  // a key of the loader's
  EXPECT_THAT(eosin({"bench", "--help"}).out, HasSubstr("eosin bench loader --help"));
  EXPECT_THAT(eosin({"bench", "stor"}).last_error_line(), HasSubstr("did you mean 'store'?"));
  EXPECT_THAT(eosin({"bench", "store", "recrods=5"}).last_error_line(), HasSubstr("did you mean 'records'?"));
}

TEST(CommandLine, VersionNamesTheLibraries) {
  const Outcome o = eosin({"--version"});
  EXPECT_EQ(o.code, 0);
  for (const char* word : {"eosin 0.", "commit ", "torch 2.11", "HDF5 ", "OpenSlide ", "CUDA: built ", ", available "})
    EXPECT_THAT(o.out, HasSubstr(word));
}

TEST(CommandLine, UsageErrorsExitWithTwoAndSayError) {
  const std::vector<std::vector<std::string>> wrong = {{}, {"paint"}, {"tile", "--colour"}, {"tile", "a.yaml", "b.yaml"}, {"tile", "missing.yaml"}};
  for (const auto& arguments : wrong) {
    const Outcome o = eosin(arguments);
    EXPECT_EQ(o.code, 2) << testing::PrintToString(arguments) << o.err;
    EXPECT_THAT(o.last_error_line(), StartsWith("error: ")) << o.err;
    EXPECT_EQ(o.out, "");
  }
}

TEST(CommandLine, AnUnknownVerbIsNamedWithTheNearest) {
  EXPECT_EQ(eosin({"pretain", "data.store=x"}).last_error_line(),
            "error: [command line] unknown verb 'pretain'; did you mean 'pretrain'?; see eosin --help");
  EXPECT_EQ(eosin({"nonsense"}).last_error_line(), "error: [command line] unknown verb 'nonsense'; see eosin --help");
}

TEST(CommandLine, AWrongConfigIsRefusedBeforeAnythingIsOpened) {
  const TemporaryFolder folder;
  write_text(folder / "typo.yaml", "verb: pretrain\nmethod:\n  name: dino\n  teacher_tmp: 0.04\ndata: {store: nowhere}\n");
  const Outcome o = eosin({"pretrain", folder / "typo.yaml"});
  EXPECT_EQ(o.code, 2) << o.err;
  EXPECT_THAT(o.err, HasSubstr("typo.yaml:4:3"));
  EXPECT_THAT(o.err, HasSubstr("teacher_temp"));
  EXPECT_LT(o.cpu_seconds, 1.0);
}

TEST(CommandLine, ImageSizeMustFitThePatch) {
  const Outcome o = eosin({"pretrain", "data.store=nowhere", "model.name=vit_tiny", "model.image_size_px=97", "model.patch_size=16"});
  EXPECT_EQ(o.code, 2) << o.err;
  EXPECT_THAT(o.err, HasSubstr("97"));
  EXPECT_THAT(o.err, HasSubstr("96"));
}

TEST(CommandLine, RunFollowsTheVerbInTheConfig) {
  const TemporaryFolder folder;
  write_text(folder / "job.yaml", "verb: pretain\n");
  const Outcome o = eosin({"run", folder / "job.yaml"});
  EXPECT_EQ(o.code, 2);
  EXPECT_THAT(o.last_error_line(), HasSubstr("did you mean 'pretrain'?"));
  write_text(folder / "paths.yaml", "verb: store import\nout: store\n");
  const Outcome paths = eosin({"run", folder / "paths.yaml"});
  EXPECT_EQ(paths.code, 2);
  EXPECT_THAT(paths.last_error_line(), HasSubstr("'store import' takes paths"));
}

TEST(CommandLine, EveryShippedConfigIsValid) {
  std::vector<std::string> check = {"config", "check"};
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(source_dir()) / "configs")) {
    if (entry.path().extension() != ".yaml") continue;
    if (entry.path().parent_path().filename() == "stain") continue;  // references, not configs of a verb: tests/data/test_stain_use.cpp
    check.push_back(entry.path().string());
  }
  EXPECT_GT(check.size(), 50u);
  const Outcome o = eosin(check);
  EXPECT_EQ(o.code, 0) << o.err;
}

}  // namespace
}  // namespace eosin::system_test

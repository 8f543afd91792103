// The rules of docs/floors.txt, checked on this tree, and the check itself on trees that break them.
#include "tests/checkout.h"
#include "tests/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

namespace eosin {
namespace {
namespace fs = std::filesystem;
using ::testing::HasSubstr;

struct Outcome {
  int exit_code;
  std::string output;
};

Outcome check_floors(const std::string& tree) {
  const std::string command = std::string("'") + source_dir() + "/scripts/check_floors' '" + tree + "' 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string output;
  for (int c; (c = std::fgetc(pipe)) != EOF;) output += static_cast<char>(c);
  return {WEXITSTATUS(::pclose(pipe)), output};
}

/// Checks a tree of these files, on a house of two floors and torch from core/tensor up.
Outcome check_tree(const std::map<std::string, std::string>& files) {
  const TemporaryFolder tree;
  std::map<std::string, std::string> all = files;
  all.emplace("docs/floors.txt", "# comment\ncore/base:\ncore/tensor: core/base\ndata: core/tensor core/base\neval: data core/tensor core/base\n");
  for (const auto& [name, text] : all) {
    fs::create_directories((tree.path() / name).parent_path());
    std::ofstream(tree / name) << text;
  }
  return check_floors(tree.path().string());
}

TEST(Floors, ThisTreeKeepsThem) {
  const Outcome got = check_floors(source_dir());
  EXPECT_EQ(got.exit_code, 0) << got.output;
}

TEST(Floors, AllowedIncludesPass) {
  const Outcome got = check_tree({{"core/base/a.h", "#include <vector>\n"},
                                  {"core/base/config.cpp", "#include <yaml-cpp/parser.h>\n"},
                                  {"core/tensor/t.h", "#include \"core/base/a.h\"\n#include <ATen/ATen.h>\n"},
                                  {"data/d.h", "#include \"core/tensor/t.h\"\n"},
                                  {"data/d.cpp", "#include \"data/d.h\"\n// #include \"eval/e.h\"\n/*\n#include \"eval/e.h\"\n*/\n"},
                                  {"build-asan/x.cpp", "#include \"eval/e.h\"\n"},
                                  {".git/x.cpp", ""}});
  EXPECT_EQ(got.exit_code, 0);
  EXPECT_EQ(got.output, "5 files, 0 findings\n");
}

struct Breach {
  std::map<std::string, std::string> files;
  std::string finding;
};
class FloorBreach : public ::testing::TestWithParam<Breach> {};

TEST_P(FloorBreach, IsNamedWithFileAndLine) {
  const Outcome got = check_tree(GetParam().files);
  EXPECT_EQ(got.exit_code, 1);
  EXPECT_THAT(got.output, HasSubstr(GetParam().finding));
}

INSTANTIATE_TEST_SUITE_P(
    All, FloorBreach,
    ::testing::Values(
        Breach{{{"data/a.cpp", "#include <vector>\n\n#include \"eval/b.h\"\n"}, {"eval/b.h", ""}}, "data/a.cpp:3: data may not include eval"},
        Breach{{{"core/base/a.h", "#include \"core/tensor/t.h\"\n"}}, "core/base/a.h:1: core/base may not include core/tensor"},
        Breach{{{"core/base/a.h", "\n  #  include <ATen/ATen.h>\n"}}, "core/base/a.h:2: core/base may not include torch"},
        Breach{{{"core/base/a.h", "#include <c10/util/Half.h>\n"}}, "core/base/a.h:1: core/base may not include torch"},
        Breach{{{"eval/a.cpp", "#include <torch/torch.h>\n"}}, "eval/a.cpp:1: torch/torch.h pulls in"},
        Breach{{{"core/base/other.cpp", "#include <yaml-cpp/yaml.h>\n"}}, "core/base/other.cpp:1: yaml-cpp belongs in core/base/config.cpp alone"},
        Breach{{{"data/a.h", "#include \"data/b.h\"\n"}, {"data/b.h", "\n#include \"data/c.h\"\n"}, {"data/c.h", "#include \"data/a.h\"\n"}},
               "data/a.h:1: headers include each other: data/a.h -> data/b.h -> data/c.h -> data/a.h"},
        Breach{{{"data/a.cpp", "#include \"../eval/b.h\"\n"}, {"eval/b.h", ""}}, "data/a.cpp:1: data may not include eval (got eval/b.h)"},
        Breach{{{"data/a.cpp", "#include \"./../data/../eval/b.h\"\n"}}, "data/a.cpp:1: data may not include eval"},
        Breach{{{"data/a.cpp", "/* one\n two */ #include \"eval/b.h\"\n"}}, "data/a.cpp:2: data may not include eval"},
        Breach{{{"data/a.cpp", "const char* s = \"/*\";\n#include \"eval/b.h\" // */\n"}}, "data/a.cpp:2: data may not include eval"},
        Breach{{{"data/a.cpp", "#import \"eval/b.h\"\n"}}, "data/a.cpp:1: data may not include eval"},
        Breach{{{"data/a.cpp", "#/**/include/**/<eval/b.h>\n"}}, "data/a.cpp:1: data may not include eval"},
        Breach{{{"data/a.hpp", "#include \"eval/b.h\"\n"}}, "data/a.hpp:1: data may not include eval"},
        Breach{{{"data/a.cc", "#include \"eval/b.h\"\n"}}, "data/a.cc:1: data may not include eval"},
        Breach{{{"data/a.hh", "#include \"eval/b.h\"\n"}}, "data/a.hh:1: data may not include eval"},
        Breach{{{"data/a.cxx", "#include \"eval/b.h\"\n"}}, "data/a.cxx:1: data may not include eval"},
        Breach{{{"data/a.h", "#include \"b.h\"\n"}, {"data/b.h", "#include \"a.h\"\n"}}, "data/a.h:1: headers include each other"},
        Breach{{{"data/a.h",
                 "\n/// Checked  tests/"
                 "data/test_a.cpp.\n"}},
               "data/a.h:2: there is no tests/"
               "data/test_a.cpp"},
        Breach{{{"utils/a.h", ""}}, "utils/a.h:1: the folder has no line in docs/floors.txt"},
        Breach{{{"stray.cpp", ""}}, "stray.cpp:1: the folder has no line in docs/floors.txt"},
        Breach{{{"data/utils/a.h", ""}}, "data/utils/a.h:1: a folder named 'utils' says nothing"},
        Breach{{{"core/extra/a.h", ""}}, "core/extra/a.h:1: the folder has no line in docs/floors.txt"}));

TEST(Floors, BrokenTableIsAnError) {
  EXPECT_THAT(check_tree({{"docs/floors.txt", "core/base\n"}}).output, HasSubstr("floors.txt:1: need 'folder: what it may include'"));
  EXPECT_THAT(check_tree({{"docs/floors.txt", "data: core/base\n"}}).output, HasSubstr("data may include core/base, which has no line of its own"));
}

}  // namespace
}  // namespace eosin

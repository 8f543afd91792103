#include "core/base/config.h"

#include "core/base/atomic_file.h"
#include "tests/fuzz/target.h"

#include <filesystem>

namespace eosin::fuzz {
namespace {

struct Part {
  int64_t width = 3;
  std::vector<double> scale;
  void visit(config::Visitor& v) {
    v("width", width, "a number", config::Range{1, 100});
    v("scale", scale, "numbers", config::Length{0, 3});
  }
};

/// One of each kind of field.
struct Whole {
  bool on = false;
  double rate = 0.1;
  std::string name;
  std::optional<int64_t> size;
  std::vector<std::string> words;
  Part part;
  void visit(config::Visitor& v) {
    v("on", on, "a truth value");
    v("rate", rate, "a number", config::Range{0, 1, config::kOpenHigh});
    v("name", name, "a word", config::OneOf{{"one", "two"}});
    v("size", size, "a number or nothing");
    v("words", words, "texts");
    v("part", part, "a section");
  }
};

}  // namespace

void read(Bytes bytes) {
  Whole value;
  config::read(config::Source::from_file(as_file(bytes)), value, "fuzz");
}

std::vector<std::string> seeds() {
  std::vector<std::string> files = {
      "verb: fuzz\non: true\nrate: 1e-3\nname: 'two'\nsize: 3\nwords: [a, \"b\"]\npart:\n  width: 7\n  scale: [1, .5]\n", "extends: input\n",
      "part: &p {width: 2}\nwords: *p\n"};
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(EOSIN_SOURCE_DIR) / "tests/cases/config"))
    if (entry.is_regular_file()) files.push_back(read_file(entry.path().string()));
  return files;
}

}  // namespace eosin::fuzz

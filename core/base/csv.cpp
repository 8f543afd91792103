#include "core/base/csv.h"

#include "core/base/atomic_file.h"
#include "core/base/config.h"
#include "core/base/error.h"
#include "core/base/file_kind.h"
#include "core/base/text.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace eosin {
namespace {

constexpr size_t kFirstBytes = 16;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// Takes one record after another off a text and counts the lines.
class Reader {
 public:
  Reader(std::string_view text, const std::string& name, char separator) : text_(text), name_(name), separator_(separator) {}

  /// False at the end of the text. `line` is where the record begins.
  bool next(std::vector<std::string>& cells, size_t& line) {
    while (at_ < text_.size() && end_of_line()) take_end_of_line();
    if (at_ >= text_.size()) return false;
    line = line_;
    cells.clear();
    for (;;) {
      cells.push_back(at_ < text_.size() && text_[at_] == '"' ? quoted() : plain());
      if (at_ >= text_.size()) return true;
      if (end_of_line()) return take_end_of_line(), true;
      ++at_;  // the separator
    }
  }

 private:
  bool end_of_line() const { return text_[at_] == '\n' || text_.substr(at_, 2) == "\r\n"; }
  void take_end_of_line() {
    at_ += text_[at_] == '\r' ? 2 : 1;
    ++line_;
  }
  std::string plain() {
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != separator_ && !end_of_line()) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  std::string quoted() {
    const size_t opened = line_;
    std::string cell;
    for (++at_;; ++at_) {
      EOSIN_CHECK(at_ < text_.size(), Data, "[{}:{}] a quote is opened here and never closed", name_, opened);
      if (text_[at_] == '\n') ++line_;
      if (text_[at_] == '"' && text_.substr(at_, 2) != "\"\"") break;
      if (text_[at_] == '"') ++at_;
      cell += text_[at_];
    }
    ++at_;
    EOSIN_CHECK(at_ >= text_.size() || text_[at_] == separator_ || end_of_line(), Data,
                "[{}:{}] text follows a closing quote; double a quote inside a cell", name_, line_);
    return cell;
  }

  std::string_view text_;
  const std::string& name_;
  const char separator_;
  size_t at_ = 0, line_ = 1;
};

std::string ending_of(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending;
}

std::string show(char separator) { return separator == '\t' ? "tabs" : fmt::format("'{}'", separator); }

/// A table of one column whose name looks like several has another separator.
void check_separator(const std::vector<std::string>& header, char separator, const std::string& name) {
  if (header.size() != 1) return;
  for (const char other : {';', '\t', ','})
    EOSIN_CHECK(other == separator || header[0].find(other) == std::string::npos, Data,
                "[{}:1] the columns seem to be separated by {} (need {}); save the table with commas as .csv, or with tabs as .tsv", name,
                show(other), show(separator));
}

}  // namespace

bool CsvTable::is_named(const std::string& path) { return ending_of(path) == ".csv" || ending_of(path) == ".tsv"; }

CsvTable CsvTable::read(const std::string& path) {
  const std::string text = read_file(path);
  if (find_non_text(text) < kFirstBytes) {
    const std::string remark = kind_remark(path);
    EOSIN_CHECK(remark.empty(), Data, "[{}] is no table{}", path, remark);
  }
  return parse(text, path, ending_of(path) == ".tsv" ? '\t' : ',');
}

CsvTable CsvTable::parse(std::string_view text, std::string name, char separator) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (const size_t at = find_non_text(text); at != std::string_view::npos)
    fail(ErrorKind::Data, "[{}:{}] byte 0x{:02x} is not text; save the table as UTF-8", name, std::count(text.begin(), text.begin() + at, '\n') + 1,
         static_cast<unsigned char>(text[at]));
  CsvTable table;
  table.name_ = std::move(name);
  Reader reader(text, table.name_, separator);
  size_t line = 1;
  EOSIN_CHECK(reader.next(table.header_, line), Data, "[{}:1] the table is empty; need a line of column names", table.name_);
  check_separator(table.header_, separator, table.name_);
  for (size_t i = 0; i < table.header_.size(); ++i)
    EOSIN_CHECK(std::find(table.header_.begin(), table.header_.begin() + i, table.header_[i]) == table.header_.begin() + i, Data,
                "[{}:{}] two columns have the name '{}'", table.name_, line, table.header_[i]);
  for (std::vector<std::string> cells; reader.next(cells, line);) {
    EOSIN_CHECK(cells.size() == table.header_.size(), Data, "[{}:{}] wrong number of cells (got {}, need {}); quote cells that hold {}", table.name_,
                line, cells.size(), table.header_.size(), separator == ',' ? "commas" : "tabs");
    table.rows_.push_back({std::move(cells), line});
  }
  return table;
}

std::optional<size_t> CsvTable::find(std::string_view column) const {
  const auto it = std::find(header_.begin(), header_.end(), column);
  if (it == header_.end()) return std::nullopt;
  return static_cast<size_t>(it - header_.begin());
}

std::optional<size_t> CsvTable::choose(const std::string& wanted, const std::vector<std::string>& usual) const {
  if (!wanted.empty()) return column(wanted);
  for (const auto& name : usual)
    if (const auto found = find(name)) return found;
  return std::nullopt;
}

size_t CsvTable::column(std::string_view column) const {
  if (const auto i = find(column)) return *i;
  const auto near = config::nearest(column, header_);
  fail(ErrorKind::Data, "[{}:1] no column '{}' (got {}){}", name_, column, fmt::join(header_, ", "),
       near ? fmt::format("; did you mean '{}'?", *near) : "");
}

std::string CsvTable::where(size_t i) const { return i < rows_.size() ? fmt::format("{}:{}", name_, rows_[i].line) : name_; }

std::string csv_line(const std::vector<std::string>& cells) {
  std::string out;
  for (const std::string& cell : cells) {
    if (&cell != &cells.front()) out += ',';
    const bool plain = cell.find_first_of(",\"\r\n") == std::string::npos && !cell.starts_with(kByteOrderMark);
    if (plain && !(cell.empty() && cells.size() == 1)) {
      out += cell;
      continue;
    }
    out += '"';
    for (const char c : cell) out += c == '"' ? "\"\"" : std::string(1, c);
    out += '"';
  }
  return out + '\n';
}

}  // namespace eosin

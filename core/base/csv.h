#pragma once
// CSV tables (RFC 4180): quotes, doubled quotes, line breaks inside quotes, CRLF, a byte-order mark; or the same with tabs (TSV). Cells are
// text, always: an id with leading zeros stays one.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace eosin {

/// A table with a header line. Blank lines are skipped.
///
/// Errors   Data, with file:line: no header, columns that something else separates, a name twice, a row of another length, an open quote, bytes that
/// are not UTF-8.
class CsvTable {
 public:
  /// A path that ends with .tsv has tabs between its columns, any other commas.
  static CsvTable read(const std::string& path);
  /// `name` stands for the file in messages.
  static CsvTable parse(std::string_view text, std::string name, char separator = ',');
  /// Whether a path ends as a table's does: .csv or .tsv.
  static bool is_named(const std::string& path);

  const std::vector<std::string>& header() const { return header_; }
  size_t size() const { return rows_.size(); }
  const std::vector<std::string>& row(size_t i) const { return rows_[i].cells; }
  std::optional<size_t> find(std::string_view column) const;
  /// The column `wanted`, or, if that is empty, the first of the usual names that the table has. Errors as column().
  std::optional<size_t> choose(const std::string& wanted, const std::vector<std::string>& usual) const;
  /// Index of a column; Data error with the nearest name if there is none.
  size_t column(std::string_view column) const;
  /// "cohort.csv:7", for messages about row `i`; the table's name alone if there is no such row.
  std::string where(size_t i) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    size_t line;
  };
  std::string name_;
  std::vector<std::string> header_;
  std::vector<Row> rows_;
};

/// One line with its newline; quotes only where they are needed.
std::string csv_line(const std::vector<std::string>& cells);

}  // namespace eosin

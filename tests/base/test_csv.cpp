#include "core/base/csv.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin {
namespace {
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string data_error(const std::string& text, const std::string& column = "") {
  try {
    const CsvTable table = CsvTable::parse(text, "t.csv");
    if (!column.empty()) (void)table.column(column);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Data);
    return e.what();
  }
  return "";
}

TEST(Csv, ReadsQuotesLineBreaksAndMarks) {
  const CsvTable t = CsvTable::parse("\xEF\xBB\xBFid,label,note\r\n007,\"a, b\",\"say \"\"hi\"\"\"\r\n\r\n8,,\"two\nlines\"\n9,x,y", "t.csv");
  EXPECT_THAT(t.header(), ElementsAre("id", "label", "note"));
  ASSERT_EQ(t.size(), 3u);
  EXPECT_THAT(t.row(0), ElementsAre("007", "a, b", "say \"hi\""));
  EXPECT_THAT(t.row(1), ElementsAre("8", "", "two\nlines"));
  EXPECT_THAT(t.row(2), ElementsAre("9", "x", "y"));
  EXPECT_EQ(t.where(0), "t.csv:2");
  EXPECT_EQ(t.where(1), "t.csv:4");
  EXPECT_EQ(t.where(2), "t.csv:6");  // the line break inside the quotes counts
  EXPECT_EQ(t.column("label"), 1u);
  EXPECT_FALSE(t.find("Label"));
}

TEST(Csv, LastCellMayBeEmpty) {
  EXPECT_THAT(CsvTable::parse("a,b\n1,", "t").row(0), ElementsAre("1", ""));
  EXPECT_EQ(CsvTable::parse("a\n", "t").size(), 0u);
}

TEST(Csv, ErrorsNameTheLine) {
  EXPECT_EQ(data_error(""), "[t.csv:1] the table is empty; need a line of column names");
  EXPECT_EQ(data_error("a,b\n1,2\n3\n"), "[t.csv:3] wrong number of cells (got 1, need 2); quote cells that hold commas");
  EXPECT_EQ(data_error("a,b,a\n"), "[t.csv:1] two columns have the name 'a'");
  EXPECT_EQ(data_error("a,b\n\"1,2\n3,4\n"), "[t.csv:2] a quote is opened here and never closed");
  EXPECT_EQ(data_error("a,b\n\"1\"x,2\n"), "[t.csv:2] text follows a closing quote; double a quote inside a cell");
  EXPECT_EQ(data_error("a\n1\n\xE4\n"), "[t.csv:3] byte 0xe4 is not text; save the table as UTF-8");
  EXPECT_EQ(data_error("slide,label\n", "slides"), "[t.csv:1] no column 'slides' (got slide, label); did you mean 'slide'?");
}

TEST(Csv, TabsInTsvAndOtherSeparatorsAreNamed) {
  const TemporaryFolder folder;
  write_file(folder / "labels.TSV", "id\tlabel, note\n007\t\"a\tb\"\n");
  const CsvTable table = CsvTable::read(folder / "labels.TSV");
  EXPECT_THAT(table.header(), ElementsAre("id", "label, note"));
  EXPECT_THAT(table.row(0), ElementsAre("007", "a\tb"));
  EXPECT_EQ(data_error("id;label\n1;2\n"),
            "[t.csv:1] the columns seem to be separated by ';' (need ','); save the table with commas as .csv, or with tabs as .tsv");
  EXPECT_THAT(data_error("id\tlabel\n1\t2\n"), HasSubstr("separated by tabs (need ',')"));
  write_file(folder / "commas.tsv", "id,label\n1,2\n");
  EXPECT_THAT(message_of([&] { CsvTable::read(folder / "commas.tsv"); }, ErrorKind::Data), HasSubstr("separated by ',' (need tabs)"));
  write_file(folder / "labels.csv", std::string("PK\x03\x04\x14\0\6\0", 8));
  EXPECT_THAT(message_of([&] { CsvTable::read(folder / "labels.csv"); }, ErrorKind::Data), HasSubstr("zip archive, or a spreadsheet"));
}

TEST(Csv, WrittenLinesReadBack) {
  const std::vector<std::string> cells = {"plain", "a,b", "say \"x\"", "two\nlines", "", "\r"};
  EXPECT_EQ(csv_line({"a", "b c"}), "a,b c\n");
  EXPECT_EQ(CsvTable::parse("1,2,3,4,5,6\n" + csv_line(cells), "t").row(0), cells);
  EXPECT_EQ(CsvTable::parse("x\n" + csv_line({""}), "t").size(), 1u);
  const std::vector<std::string> marked = {"\xEF\xBB\xBFx"};  // part of the name, not of the file
  EXPECT_EQ(CsvTable::parse(csv_line(marked), "t").header(), marked);
}

}  // namespace
}  // namespace eosin

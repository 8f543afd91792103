#pragma once
// Pieces of a self-contained page: no network, no script, dark and light, printable. Every text is escaped here, once.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eosin::eval::html {

using Row = std::vector<std::string>;

/// A whole page around `body`. The content policy lets it load nothing but itself.
std::string page(const std::string& title, const std::string& body);
/// <section> with a heading; `body` is markup.
std::string section(const std::string& heading, const std::string& body);
/// A paragraph of text with a class ("note", "alarm", "verdict").
std::string paragraph(const std::string& cls, std::string_view text);
/// Table of texts; cells that are numbers are aligned right. The first column is a heading of its row.
std::string table(const Row& head, const std::vector<Row>& rows);
/// A folded part with a summary line; `body` is markup.
std::string details(const std::string& summary, const std::string& body);
std::string preformatted(std::string_view text);
/// Plot (markup) with a caption, and its numbers as a folded table.
std::string figure(const std::string& plot, const std::string& caption, const Row& head, const std::vector<Row>& rows);
std::string picture(const std::string& mime, std::string_view bytes, const std::string& caption);
/// Figures side by side, as many as fit; `wide` for pictures that need room.
std::string grid(const std::vector<std::string>& figures, bool wide = false);
/// The few numbers a reader looks for first: (label, value, remark).
struct Card {
  std::string label, value, remark;
};
std::string cards(const std::vector<Card>& cards);

}  // namespace eosin::eval::html

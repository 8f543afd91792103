#include "eval/html.h"

#include "eval/svg.h"

#include <fmt/format.h>

#include <cctype>

namespace eosin::eval::html {
namespace {

using svg::escape;

// Colours: Okabe and Ito's palette, told apart by colour-blind readers, darkened for a white ground and lightened for a dark one.
constexpr const char* kStyle = R"css(
:root{--paper:#fff;--panel:#faf8f6;--ink:#1d1a1c;--soft:#6b6468;--grid:#e4dfdc;--accent:#9c2c6b;--heat:#0072b2;--on-heat:#fff;--alarm:#b3261e;--alarm-bg:#fdecea;
--c0:#0072b2;--c1:#c55a00;--c2:#00805c;--c3:#a8407f;--c4:#2b87b8;--c5:#8a6d00}
@media (prefers-color-scheme:dark){:root{--paper:#17151a;--panel:#201d24;--ink:#ece8ea;--soft:#a39ca1;--grid:#37323b;--accent:#e58abf;--heat:#3f9fdc;--on-heat:#0d0c0e;
--alarm:#ff8a80;--alarm-bg:#3a1c1a;--c0:#56b4e9;--c1:#f0954a;--c2:#3ecfa4;--c3:#e08fc4;--c4:#9ad1f2;--c5:#e6d34c}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
main{max-width:1080px;margin:0 auto;padding:2.2rem 1.4rem 4rem}
header{border-bottom:3px solid var(--accent);margin-bottom:1.4rem;padding-bottom:.7rem}
h1{font-size:1.7rem;line-height:1.2;margin:0}
header p{margin:.25rem 0 0;color:var(--soft)}
section{margin-top:2rem}
h2{font-size:1.15rem;margin:0 0 .7rem;color:var(--accent)}
.run{font-size:1.35rem;margin:2.6rem 0 .4rem;border-bottom:1px solid var(--grid);padding-bottom:.3rem;color:var(--ink)}
.verdict{font-size:1.08rem;margin:.4rem 0}
.note{color:var(--soft);margin:.4rem 0}
.alarm{color:var(--alarm);background:var(--alarm-bg);border-left:4px solid var(--alarm);padding:.6rem .9rem;border-radius:4px;font-weight:600}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:.8rem;margin:1rem 0}
.card{background:var(--panel);border:1px solid var(--grid);border-radius:8px;padding:.7rem .9rem}
.card b{display:block;font-size:1.45rem;line-height:1.25;font-variant-numeric:tabular-nums}
.card span{color:var(--soft);font-size:.82rem}
.card .what{text-transform:uppercase;letter-spacing:.05em;font-size:.7rem}
.grid{display:grid;align-items:start;grid-template-columns:repeat(auto-fill,minmax(330px,1fr));gap:1rem}
.grid.wide{grid-template-columns:repeat(auto-fill,minmax(480px,1fr))}
figure{margin:0;min-width:0;background:var(--panel);border:1px solid var(--grid);border-radius:8px;padding:.8rem;break-inside:avoid}
figure img{width:100%;height:auto;border-radius:4px;display:block;background:#fff}
figcaption{font-size:.85rem;color:var(--soft);margin-top:.4rem}
svg.plot{width:100%;height:auto;display:block;font-family:inherit}
.plot .grid{stroke:var(--grid);stroke-width:1;fill:none}
.axis{stroke:var(--soft);stroke-width:1}
.chance{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:3 4}
.series{fill:none;stroke-width:1.9;stroke-linejoin:round}
.whisker{stroke:var(--c0);stroke-width:3;stroke-linecap:round;opacity:.45}
.tick,.label,.count,.share{font-size:11.5px;fill:var(--soft)}
.label{fill:var(--ink)}.mid{text-anchor:middle}.end{text-anchor:end}
.count{font-size:14px;font-weight:600;fill:var(--ink)}.share{fill:var(--ink)}
.cell rect{fill:var(--heat);fill-opacity:calc(.05 + .95*var(--share));stroke:var(--grid)}
.strong .count,.strong .share{fill:var(--on-heat)}
path.c0{stroke:var(--c0)}path.c1{stroke:var(--c1);stroke-dasharray:7 3}path.c2{stroke:var(--c2);stroke-dasharray:2 3}
path.c3{stroke:var(--c3);stroke-dasharray:9 3 2 3}path.c4{stroke:var(--c4);stroke-dasharray:4 2}path.c5{stroke:var(--c5);stroke-dasharray:12 4}
circle.c0{fill:var(--c0)}circle.c1{fill:var(--c1)}circle.c2{fill:var(--c2)}circle.c3{fill:var(--c3)}circle.c4{fill:var(--c4)}circle.c5{fill:var(--c5)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.3rem 0;font-size:.92rem}
th,td{padding:.3rem .8rem .3rem 0;text-align:left;border-bottom:1px solid var(--grid);vertical-align:top}
thead th{color:var(--soft);font-weight:600;font-size:.82rem}
tbody th{font-weight:500}
.num{text-align:right}
details{margin:.5rem 0}summary{cursor:pointer;color:var(--soft);font-size:.88rem}
pre{background:var(--panel);border:1px solid var(--grid);border-radius:8px;padding:.8rem;overflow-x:auto;font:12.5px/1.45 ui-monospace,Menlo,Consolas,monospace}
table+.grid,.scroll+.grid{margin-top:1rem}
@media print{main{max-width:none;padding:0}figure,.card{border-color:#bbb}summary{display:none}body{font-size:11px}}
)css";

bool is_number(const std::string& s) {
  if (s.empty()) return false;
  for (size_t i = 0; i < s.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(s[i]);
    if (!std::isdigit(c) && std::string_view("+-.eE%, ()").find(static_cast<char>(c)) == std::string_view::npos && c < 0x80) return false;
  }
  return std::isdigit(static_cast<unsigned char>(s[0])) || s[0] == '-' || s[0] == '+' || s == "–";
}

std::string base64(std::string_view bytes) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](size_t k) { return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u; };
    const unsigned word = byte(0) << 16 | byte(1) << 8 | byte(2);
    for (size_t k = 0; k < 4; ++k) out += i + k <= bytes.size() ? kDigits[word >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

}  // namespace

std::string page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
      "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n</html>\n",
      escape(title), kStyle, body);
}

std::string section(const std::string& heading, const std::string& body) {
  return fmt::format("<section>\n<h2>{}</h2>\n{}</section>\n", escape(heading), body);
}

std::string paragraph(const std::string& cls, std::string_view text) { return fmt::format("<p class=\"{}\">{}</p>\n", cls, escape(text)); }

std::string table(const Row& head, const std::vector<Row>& rows) {
  std::vector<bool> numeric(head.size(), true);
  for (const Row& row : rows)
    for (size_t i = 0; i < row.size() && i < head.size(); ++i) numeric[i] = numeric[i] && (row[i].empty() || is_number(row[i]));
  std::string s = "<div class=\"scroll\"><table>\n<thead><tr>";
  for (size_t i = 0; i < head.size(); ++i)
    s += fmt::format("<th scope=\"col\"{}>{}</th>", numeric[i] && i > 0 ? " class=\"num\"" : "", escape(head[i]));
  s += "</tr></thead>\n<tbody>\n";
  for (const Row& row : rows) {
    s += "<tr>";
    for (size_t i = 0; i < row.size(); ++i)
      s += i == 0 ? fmt::format("<th scope=\"row\">{}</th>", escape(row[i]))
                  : fmt::format("<td{}>{}</td>", i < numeric.size() && numeric[i] ? " class=\"num\"" : "", escape(row[i]));
    s += "</tr>\n";
  }
  return s + "</tbody></table></div>\n";
}

std::string details(const std::string& summary, const std::string& body) {
  return fmt::format("<details><summary>{}</summary>\n{}</details>\n", escape(summary), body);
}

std::string preformatted(std::string_view text) { return fmt::format("<pre>{}</pre>\n", escape(text)); }

std::string figure(const std::string& plot, const std::string& caption, const Row& head, const std::vector<Row>& rows) {
  return fmt::format("<figure>{}<figcaption>{}</figcaption>{}</figure>\n", plot, escape(caption), details("numbers", table(head, rows)));
}

std::string picture(const std::string& mime, std::string_view bytes, const std::string& caption) {
  return fmt::format("<figure><img src=\"data:{};base64,{}\" alt=\"{}\"><figcaption>{}</figcaption></figure>\n", mime, base64(bytes), escape(caption),
                     escape(caption));
}

std::string grid(const std::vector<std::string>& figures, bool wide) {
  std::string s = wide ? "<div class=\"grid wide\">\n" : "<div class=\"grid\">\n";
  for (const auto& f : figures) s += f;
  return s + "</div>\n";
}

std::string cards(const std::vector<Card>& cards) {
  std::string s = "<div class=\"cards\">\n";
  for (const Card& c : cards)
    s += fmt::format("<div class=\"card\"><span class=\"what\">{}</span><b>{}</b><span>{}</span></div>\n", escape(c.label), escape(c.value),
                     escape(c.remark));
  return s + "</div>\n";
}

}  // namespace eosin::eval::html

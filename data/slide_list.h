#pragma once
// The slides of a job: paths, globs, folders, lists, or a cohort table.
#include <optional>
#include <string>
#include <vector>

namespace eosin::data {

struct SlideEntry {
  std::string id;  // the file's name without its extension, or the table's `slide`
  std::string path;
  std::string patient, site, stain;  // from a cohort table, else empty
  std::optional<double> mpp;         // given by the user: comes before all that the slide says
};

/// Expands every word: a `.csv` or `.tsv` is a cohort table (columns path, file, filename or wsi; optional slide, slide_id or id, else the file's
/// name; patient or case, centre or site, stain, mpp; a relative path is looked for in the working directory, then beside the table), a `.txt` one
/// path a line, a folder all its files that a reader accepts (one line of the log counts the others and names the first), a word with * ? [ a
/// glob (sorted), anything else one slide, existing or not (a missing slide is that slide's failure).
/// Errors   Config if nothing is named, or a glob or folder yields nothing; Data with file and line for a bad table (an empty id or path, an
///          mpp that is no number), and naming both when two slides have one id.
/// Checked  tests/data/test_slide_list.cpp.
std::vector<SlideEntry> list_slides(const std::vector<std::string>& words);

}  // namespace eosin::data

#pragma once
// A cohort: whose each slide is, what is said of it, and the bags that slides make.
#include "core/base/config.h"

#include <cstdint>
#include <string>
#include <vector>

namespace eosin {
class CsvTable;
}

namespace eosin::data {

/// Names of a cohort's columns; empty: the first that is there of the usual names.
struct CohortColumns {
  std::string slide, patient, site, time, event, censored;
  std::string label;  // a verb visits it as `target`; empty: label, class or target
  std::vector<std::string> clinical;

  void visit(config::Visitor& v) {
    v("slide", slide, "column of the slides; empty: slide, slide_id, id, file, filename or path");
    v("patient", patient, "column of the patients; empty: patient, patient_id, case, case_id or group");
    v("site", site, "column of the sites; empty: site, centre, center or hospital, else characters 6 and 7 of TCGA barcodes");
    v("time", time, "column of the follow-up time, in any one unit; empty: time, survival_time, survival_months, os_time or days");
    v("event", event, "column that is 1 where the event was seen; empty: event, status or os_event");
    v("censored", censored, "column that is 1 where it was not, instead of event; empty: censored or censorship");
    v("clinical", clinical, "columns of numbers known of the patient: a baseline is fitted on them alone");
  }
};

/// What is said of a bag. Numbers and Flags (0 or 1) are of several columns, of which a bag may lack some.
enum class Outcome { Class, Survival, Numbers, Flags };
enum class BagLevel { Slide, Patient };

/// One slide, or all slides of a patient.
struct Bag {
  std::string id, patient, site;
  std::string label;             // Outcome::Class
  double time = 0;               // Outcome::Survival
  int64_t event = 0;             // 1 seen, 0 censored
  std::vector<double> targets;   // Outcome::Numbers and Flags: one a column, NaN where unknown
  std::vector<double> clinical;  // one a clinical column
  std::vector<std::string> slides;
  std::string where;  // "cohort.csv:7"
};

struct Cohort {
  std::vector<Bag> bags;  // in the order of the table
  std::string source;     // the table's name
  bool has_patients = false, has_sites = false;
  bool sites_of_barcodes = false;  // TCGA's codes are of a place within one study
  Outcome outcome = Outcome::Class;
  std::vector<std::string> classes;  // in name order (numbers by value)
  std::vector<std::string> targets;  // names of the columns of Outcome::Numbers and Flags
  std::vector<std::string> notes;    // what the reader of a report should know

  /// Position of the bag's label in `classes`.
  std::vector<int64_t> labels() const;
  /// These bags alone; the classes stay.
  Cohort only(const std::vector<int64_t>& bags) const;
};

struct CohortOptions {
  CohortColumns columns;
  Outcome outcome = Outcome::Class;
  BagLevel level = BagLevel::Slide;
  std::vector<std::string> classes;  // that may occur; empty: those that do
  std::vector<std::string> targets;  // columns of Outcome::Numbers and Flags
};
/// Reads a table of one row a slide. Without a column of patients every slide is a patient of its own, and a note says so. A target is unknown where
/// its cell is empty or NA, N/A, NaN in any case; slides of which no target is known are left out, and a note counts them.
///
/// Errors   Data naming up to ten rows: a column is missing, a slide twice, an empty id; labels empty or outside `classes`, fewer than two
///          classes; a time that is no positive number, an event other than 0 or 1, no event at all; a target that is no number, a flag other than 0
///          or 1, no slide of which one is known; a clinical value that is no number; at the level of patients, slides of one patient that disagree.
/// Checked  tests/data/test_cohort.cpp.
Cohort read_cohort(const CsvTable& table, const CohortOptions& options);

/// "a, b, c" of at most ten names, then how many there are.
std::string first_ten(const std::vector<std::string>& names);

}  // namespace eosin::data

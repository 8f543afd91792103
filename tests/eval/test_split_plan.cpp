#include "eval/audit.h"
#include "eval/split_files.h"
#include "eval/split_plan.h"
#include "eval/threshold.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

namespace eosin::eval {
namespace {

/// Patients of two rows, two classes, three sites that hold both classes; features all different.
LabelledSet cohort(int64_t patients = 30) {
  LabelledSet s;
  s.classes = {"a", "b"};
  s.sites = {"x", "y", "z"};
  s.grouped = true;
  s.unit = "bag";
  for (int64_t i = 0; i < 2 * patients; ++i) {
    s.ids.push_back("s" + std::to_string(i));
    s.group.push_back(i / 2);
    s.target.push_back(i / 2 % 2);
    s.site.push_back(i / 4 % 3);
    if (i % 2 == 0) s.groups.push_back("p" + std::to_string(i / 2));
  }
  at::manual_seed(3);
  s.features_ND = at::randn({2 * patients, 7});
  return s;
}

SplitPlan plan_of(const LabelledSet& set, const std::string& rule, SplitOptions options = {5, false}) {
  return make_splits(set, SplitRule::parse(rule), options);
}

std::set<int64_t> groups_of(const LabelledSet& s, const std::vector<int64_t>& rows) {
  std::set<int64_t> g;
  for (const int64_t i : rows) g.insert(s.group[static_cast<size_t>(i)]);
  return g;
}

std::string write(const TemporaryFolder& folder, const std::string& name, const std::string& text) {
  std::ofstream(folder / name) << text;
  return folder / name;
}

TEST(SplitPlan, EveryRuleKeepsPatientsTogetherAndBothClassesInEveryPart) {
  const LabelledSet s = cohort();
  for (const char* rule : {"5fold", "3x4fold", "4x60/20/20", "3shot", "2x5shot", "site_out"}) {
    const SplitPlan plan = plan_of(s, rule);
    for (const Parts& p : plan.parts) {
      EXPECT_EQ(groups_of(s, p.train).size() + groups_of(s, p.val).size() + groups_of(s, p.test).size(), 30U) << rule;
      EXPECT_EQ(p.train.size() + p.val.size() + p.test.size(), 60U) << rule;
      for (const auto* part : {&p.train, &p.val, &p.test})
        for (const int64_t c : {0, 1})
          EXPECT_TRUE(std::any_of(part->begin(), part->end(), [&](int64_t i) { return s.target[static_cast<size_t>(i)] == c; })) << rule;
    }
    EXPECT_NO_THROW(check_classes_train(s, plan));
    EXPECT_NO_THROW(check_parts(plan, true));
  }
}

TEST(SplitPlan, FoldsTestEveryRowOnceARepeatAndRepeatsDiffer) {
  const LabelledSet s = cohort();
  const SplitPlan plan = plan_of(s, "2x5fold");
  ASSERT_EQ(plan.parts.size(), 10U);
  EXPECT_EQ(plan.repeats, 2);
  std::vector<int> tested(60);
  for (size_t k = 0; k < 5; ++k)
    for (const int64_t i : plan.parts[k].test) ++tested[static_cast<size_t>(i)];
  EXPECT_EQ(tested, std::vector<int>(60, 1));
  EXPECT_EQ(plan.parts[1].test, plan.parts[0].val);
  EXPECT_NE(plan.parts[0].test, plan.parts[5].test);
  EXPECT_EQ(plan.hash(s), plan_of(s, "2x5fold").hash(s));
  EXPECT_NE(plan.hash(s), plan_of(s, "2x5fold", {6, false}).hash(s));
  EXPECT_EQ(plan.name(7), "repeat 1, fold 2");
}

TEST(SplitPlan, SitesStayWholeWhereTheyMustAndEachTestsOnceInSiteOut) {
  const LabelledSet s = cohort();
  const SplitPlan kept = plan_of(s, "3fold", {5, true});
  for (const Parts& p : kept.parts) {
    std::set<int64_t> sites;
    for (const int64_t i : p.test) sites.insert(s.site[static_cast<size_t>(i)]);
    EXPECT_EQ(sites.size(), 1U);
  }
  EXPECT_EQ(plan_of(s, "site_out").parts.size(), 3U);
  LabelledSet none = s;
  none.site.clear(), none.sites.clear();
  EXPECT_NE(message_of([&] { plan_of(none, "site_out"); }, ErrorKind::Data).find("columns.site"), std::string::npos);
}

TEST(SplitPlan, SharesAndShotsAreOfPatientsAClass) {
  const LabelledSet s = cohort();
  const Parts p = plan_of(s, "1x60/20/20").parts[0];
  EXPECT_EQ(groups_of(s, p.train).size(), 18U);
  EXPECT_EQ(groups_of(s, p.val).size(), 6U);
  EXPECT_EQ(groups_of(s, plan_of(s, "3shot").parts[0].train).size(), 6U);
  EXPECT_NE(message_of([&] { plan_of(s, "8shot"); }, ErrorKind::Data).find("class 'a' has 15"), std::string::npos);
}

TEST(SplitPlan, RefusesOtherRules) {
  for (const char* rule : {"", "fold", "2fold", "0x5fold", "x5fold", "10x80/10/20", "10x80/20", "80/-10/30", "missing_folder", "5folds", "1x100/0/0"})
    EXPECT_FALSE(message_of([&] { SplitRule::parse(rule); }, ErrorKind::Config).empty()) << rule;
}

TEST(SplitFiles, ReadsClamsRaggedColumnsAndItsFlags) {
  const TemporaryFolder folder;
  const LabelledSet s = cohort(4);
  write(folder, "splits_0.csv", ",train,val,test\n0,s0,s2,s4.0\n1,s1,s3,\n");
  write(folder, "splits_0_bool.csv", ",train,val,test\ns0,True,False,False\n");
  write(folder, "splits_10.csv", ",train,val,test\n0,s4,s2,s0\n");
  write(folder, "splits_2.csv", ",train,val,test\n0,s6,s2,s0\n");
  const SplitPlan plan = read_splits(s, folder.path().string());
  ASSERT_EQ(plan.parts.size(), 3U);
  EXPECT_EQ(plan.parts[0].train, (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(plan.parts[0].test, (std::vector<int64_t>{4}));
  EXPECT_EQ(plan.parts[1].train, (std::vector<int64_t>{6}));
  ASSERT_EQ(plan.notes.size(), 1U);  // s5 and s7
  const SplitPlan flags =
      read_splits(s, write(folder, "bool.csv", ",train,val,test\ns0,True,False,False\ns1,False,True,False\ns2,False,False,True\n"));
  EXPECT_EQ(flags.parts[0].val, (std::vector<int64_t>{1}));
}

TEST(SplitFiles, ReadsColumnsOfFoldsAndNumbersOfFolds) {
  const TemporaryFolder folder;
  const LabelledSet s = cohort(3);
  const SplitPlan words = read_splits(s, write(folder, "a.csv", "case_id,fold_0,fold_1\np0,train,test\np1,val,train\np2,test,val\n"));
  ASSERT_EQ(words.parts.size(), 2U);
  EXPECT_EQ(words.parts[0].train, (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(words.parts[1].test, (std::vector<int64_t>{0, 1}));
  const SplitPlan numbers = read_splits(s, write(folder, "b.csv", "slide,fold\ns0,1\ns2,2\ns4,3\n"));
  ASSERT_EQ(numbers.parts.size(), 3U);
  EXPECT_EQ(numbers.parts[0].test, (std::vector<int64_t>{0}));
  EXPECT_EQ(numbers.parts[0].val, (std::vector<int64_t>{2}));
}

TEST(SplitFiles, NamesWhatIsWrong) {
  const TemporaryFolder folder;
  const LabelledSet s = cohort(3);
  const auto refused = [&](const std::string& text) { return message_of([&] { read_splits(s, write(folder, "c.csv", text)); }, ErrorKind::Data); };
  EXPECT_NE(refused(",train,val,test\n0,s0,s9,s1\n").find("c.csv:2 's9'"), std::string::npos);
  EXPECT_NE(refused("slide,fold_0\ns0,trian\n").find("'trian'"), std::string::npos);
  EXPECT_NE(refused("slide,part\ns0,train\n").find("fold_0"), std::string::npos);
  EXPECT_NE(refused("slide,fold\ns0,1\ns1,2\n").find("at least 3"), std::string::npos);
  const SplitPlan no_test = read_splits(s, write(folder, "d.csv", ",train,val,test\n0,s0,s2,\n"));
  EXPECT_NE(message_of([&] { check_parts(no_test, true); }, ErrorKind::Data).find("no test"), std::string::npos);
  EXPECT_NE(message_of([&] { check_classes_train(s, no_test); }, ErrorKind::Data).find("'b'"), std::string::npos);
}

// ----------------------------------------------------------------------------------------------- the audit
const AuditRow& row(const std::vector<AuditRow>& rows, const std::string& check) {
  const auto it = std::find_if(rows.begin(), rows.end(), [&](const AuditRow& r) { return r.check == check; });
  EXPECT_NE(it, rows.end()) << check;
  return *it;
}

TEST(SplitAudit, FindsNothingWhereNothingIs) {
  const LabelledSet s = cohort();
  for (const AuditRow& r : audit_splits(s, plan_of(s, "5fold"))) EXPECT_EQ(r.state, "ok") << r.check << " " << r.message;
}

TEST(SplitAudit, RefusesAPatientInTwoPartsNamingSplitAndPatient) {
  const LabelledSet s = cohort();
  SplitPlan plan = plan_of(s, "5fold");
  const int64_t moved = plan.parts[3].test.back();
  plan.parts[3].test.pop_back();
  plan.parts[3].train.push_back(moved);
  const auto rows = audit_splits(s, plan);
  EXPECT_EQ(row(rows, "group_overlap").state, "violation");
  EXPECT_NE(row(rows, "group_overlap").message.find("fold 3"), std::string::npos);
  EXPECT_NE(row(rows, "group_overlap").message.find(s.groups[static_cast<size_t>(s.group[static_cast<size_t>(moved)])]), std::string::npos);
  EXPECT_FALSE(message_of([&] { enforce(rows, {}); }, ErrorKind::Data).empty());
  EXPECT_EQ(enforce(rows, {"as published"}).size(), 1U);
}

TEST(SplitAudit, RefusesASlideThatIsInTheCohortTwiceUnderTwoNames) {
  LabelledSet s = cohort();
  const SplitPlan plan = plan_of(s, "5fold");
  const int64_t a = plan.parts[0].train[0], b = plan.parts[0].test[0];
  s.features_ND[b] = s.features_ND[a] * 1.00001;  // re-encoded
  const auto found = row(audit_splits(s, plan), "near_duplicates");
  EXPECT_EQ(found.state, "violation");
  EXPECT_NE(found.message.find(s.ids[static_cast<size_t>(a)]), std::string::npos);
  s.features_ND = s.features_ND + 1000;  // what all features have in common says nothing
  EXPECT_EQ(near_duplicates(s.features_ND).size(), 1U);
}

TEST(SplitAudit, RefusesSitesThatTellTheClassAndWarnsOfOneThatHoldsMostOfIt) {
  LabelledSet s = cohort();
  s.site = s.target, s.sites = {"x", "y"};
  EXPECT_EQ(row(audit_splits(s, plan_of(s, "5fold")), "site_is_label").state, "violation");
  s.sites_of_study = true;
  EXPECT_EQ(row(audit_splits(s, plan_of(s, "5fold")), "site_is_label").state, "warning");
  s.sites_of_study = false;
  s.site[0] = s.site[1] = 1;  // one patient of class a at the other site
  const auto rows = audit_splits(s, plan_of(s, "5fold"));
  EXPECT_EQ(row(rows, "site_is_label").state, "ok");
  EXPECT_EQ(row(rows, "site_confounded").state, "warning");
}

TEST(Threshold, MaximisesYoudensIndexAndTakesTheHighestOfEqualOnes) {
  const std::vector<int64_t> target = {0, 0, 1, 0, 1, 1};
  EXPECT_EQ(youden_threshold(target, std::vector<double>{.1, .2, .3, .4, .5, .6}), .5);
  EXPECT_EQ(youden_threshold(target, std::vector<double>{.1, .2, .5, .3, .6, .7}), .5);
  EXPECT_FALSE(message_of([] { youden_threshold(std::vector<int64_t>{1, 1}, std::vector<double>{.1, .2}); }, ErrorKind::Data).empty());
}

}  // namespace
}  // namespace eosin::eval

"""Protocols and comparisons of `eosin eval` beside scikit-learn and scipy on the same features.

usage: eval_parity.py BIN_DIR
"""
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
    from scipy import stats
    from sklearn import decomposition, linear_model, metrics, neighbors, preprocessing
except ImportError as missing:
    print(f"skipped: {missing.name} is not installed")
    sys.exit(77)

ROWS, DIM, GROUP = 360, 24, 4


def made(folder):
    """Features of two classes at three sites, two numbers that follow them, and a weaker copy of the features."""
    rng = np.random.default_rng(4)
    group = np.arange(ROWS) // GROUP
    target, site = group % 2, group // 2 % 3
    x = rng.normal(size=(ROWS, DIM))
    x[:, 0] += 0.8 * (2 * target - 1)
    x[:, 1:3] += np.eye(3)[site][:, :2] * 2
    x = x.astype(np.float32)
    numbers = np.stack([3 * x[:, 3] - x[:, 4] + rng.normal(size=ROWS), 20 + x[:, 5] + 2 * rng.normal(size=ROWS)], 1)
    weak = (x + 1.5 * rng.normal(size=x.shape)).astype(np.float32)
    ids = [f"tile{i:03d}" for i in range(ROWS)]
    for name, features in {"plain": x, "weak": weak}.items():
        (folder / name).mkdir()
        with h5py.File(folder / name / "features.h5", "w") as f:
            f["features"], f["coords"] = features, np.zeros((ROWS, 2), np.int64)
            f.create_dataset("ids", data=ids, dtype=h5py.string_dtype())
    split = ["train" if g < 60 else "test" for g in group]
    with open(folder / "labels.csv", "w", newline="") as f:
        table = csv.writer(f)
        table.writerow(["id", "class", "patient", "site", "split"])
        table.writerows(zip(ids, np.array(["benign", "malignant"])[target], group, np.array(["A", "B", "C"])[site], split))
    with open(folder / "expression.csv", "w", newline="") as f:
        table = csv.writer(f)
        table.writerow(["id", "patient", "split", "GENE1", "GENE2"])
        table.writerows([i, g, s, repr(float(a)), repr(float(b))] for i, g, s, (a, b) in zip(ids, group, split, numbers))
    return x, weak, target, site, group, numbers, np.array(split) == "test"


class Eosin:
    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder

    def __call__(self, *words):
        done = subprocess.run([self.binary, *map(str, words)], capture_output=True, text=True, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def eval(self, run, *words, features="plain", labels="labels.csv"):
        self("eval", f"features={features}", f"labels={labels}", f"run.dir={run}", "bootstrap=200", *words)
        with open(self.folder / run / "predictions.csv") as f:
            rows = list(csv.DictReader(f))
        return json.loads((self.folder / run / "results.json").read_text()), rows


def values(results):
    return {m["name"]: m["mean"] for m in results["metrics"]}


def close(got, want, tolerance, what):
    error = float(np.max(np.abs(np.asarray(got) - np.asarray(want))))
    print(f"{what}: differs by {error:.2g}")
    assert error <= tolerance, (what, got, want)


def ridge(eosin, x, numbers, test):
    results, rows = eosin.eval("ridge", "protocol.name=ridge", "protocol.components=16", labels="expression.csv")
    scaler = preprocessing.StandardScaler().fit(x[~test].astype(np.float64))
    pca = decomposition.PCA(16, svd_solver="full").fit(scaler.transform(x[~test].astype(np.float64)))
    seen, new = (pca.transform(scaler.transform(part.astype(np.float64))) for part in (x[~test], x[test]))
    want = linear_model.Ridge(alpha=100 / (16 * 2), solver="cholesky").fit(seen, numbers[~test]).predict(new)
    close([[float(r["predicted_GENE1"]), float(r["predicted_GENE2"])] for r in rows], want, 1e-8, "ridge, estimates beside scikit-learn")
    got = values(results)
    for name, of in {"pearson": lambda a, b: stats.pearsonr(a, b)[0], "spearman": lambda a, b: stats.spearmanr(a, b)[0], "r2": metrics.r2_score,
                     "mae": metrics.mean_absolute_error}.items():
        each = [of(numbers[test][:, t], want[:, t]) for t in range(2)]
        close(got[name], np.mean(each), 1e-8, f"ridge, {name}")
        close([t[name] for t in results["targets"]], each, 1e-8, f"ridge, {name} of each target")


def conditions(eosin, x, weak, target, test):
    results, _ = eosin.eval("linear", "protocol.name=linear", "protocol.cost=fixed", "protocol.C=0.1", "conditions=[weak]",
                            "metrics=[accuracy,auroc_ovr_macro]")
    scaler = preprocessing.StandardScaler().fit(x[~test].astype(np.float64))
    model = linear_model.LogisticRegression(C=0.1, tol=1e-10, max_iter=10000).fit(scaler.transform(x[~test].astype(np.float64)), target[~test])
    plain, changed = (metrics.roc_auc_score(target[test], model.decision_function(scaler.transform(f[test].astype(np.float64)))) for f in (x, weak))
    area = results["conditions"][1]
    close([area["plain"], area["conditions"][0]["value"], area["min"], area["max"]], [plain, changed, min(plain, changed), max(plain, changed)], 1e-12,
          "linear, AUROC plain and under a condition")


def compared(eosin, target, test):
    _, a = eosin.eval("linear", "protocol.name=linear", "protocol.cost=fixed", "protocol.C=0.1", "conditions=[weak]", "metrics=[accuracy,auroc_ovr_macro]")
    _, b = eosin.eval("weak-run", "protocol.name=linear", "protocol.cost=fixed", "protocol.C=0.1", "metrics=[accuracy,auroc_ovr_macro]", features="weak")
    tests = {(t["metric"], t["test"]): t for t in json.loads(eosin("compare", "linear", "weak-run", "--json"))["comparisons"]}
    right = [np.array([r["prediction"] == r["target"] for r in rows]) for rows in (a, b)]
    only_a, only_b = int(np.sum(right[0] & ~right[1])), int(np.sum(~right[0] & right[1]))
    form = "exact" if only_a + only_b < 25 else "corrected"
    want = (stats.binomtest(min(only_a, only_b), only_a + only_b).pvalue if form == "exact" else
            stats.chi2.sf((abs(only_a - only_b) - 1) ** 2 / (only_a + only_b), 1))
    close(tests["accuracy", f"mcnemar_{form}"]["p"], min(1, want), 1e-12, f"compare, McNemar {form} of {only_a} and {only_b}")
    score = [np.array([float(r["p_malignant"]) for r in rows]) for rows in (a, b)]
    areas = [metrics.roc_auc_score(target[test], s) for s in score]
    close(tests["auroc_ovr_macro", "delong"]["difference"], areas[0] - areas[1], 1e-12, "compare, difference of AUROC")
    close(tests["auroc_ovr_macro", "paired_bootstrap"]["difference"], areas[0] - areas[1], 1e-12, "compare, the same by the bootstrap")
    # DeLong's variance by its definition, every pair of a malignant and a benign row
    wins = [(s[target[test] == 1][:, None] > s[target[test] == 0]) + 0.5 * (s[target[test] == 1][:, None] == s[target[test] == 0]) for s in score]
    d = wins[0] - wins[1]
    sd = np.sqrt(np.var(d.mean(1), ddof=1) / d.shape[0] + np.var(d.mean(0), ddof=1) / d.shape[1])
    close(tests["auroc_ovr_macro", "delong"]["p"], 2 * stats.norm.sf(abs(areas[0] - areas[1]) / sd), 1e-10, "compare, DeLong's p")


def robustness(eosin, x, target, site, group):
    results, _ = eosin.eval("robustness", "protocol.name=robustness", "protocol.k=11")
    unit = preprocessing.normalize(x.astype(np.float64))
    order = neighbors.NearestNeighbors(n_neighbors=ROWS).fit(unit).kneighbors(unit, return_distance=False)
    so = os = 0
    for i, found in enumerate(order):
        near = [j for j in found if group[j] != group[i]][:11]
        so += sum(target[j] == target[i] and site[j] != site[i] for j in near)
        os += sum(target[j] != target[i] and site[j] == site[i] for j in near)
    close(values(results)["robustness_index"], so / (so + os), 1e-12, "robustness index")


def held_out(eosin, x, target, site):
    results, _ = eosin.eval("sites", "hold_out=site", "protocol.name=linear", "protocol.cost=fixed", "protocol.C=0.1", "metrics=[auroc_ovr_macro]")
    folds = results["metrics"][0]["folds"]
    assert [f["name"] for f in folds] == ["A", "B", "C"]
    for s, fold in enumerate(folds):
        scaler = preprocessing.StandardScaler().fit(x[site != s].astype(np.float64))
        model = linear_model.LogisticRegression(C=0.1, tol=1e-10, max_iter=10000).fit(scaler.transform(x[site != s].astype(np.float64)), target[site != s])
        want = metrics.roc_auc_score(target[site == s], model.decision_function(scaler.transform(x[site == s].astype(np.float64))))
        close(fold["value"], want, 1e-12, f"site {fold['name']} held out, AUROC")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        x, weak, target, site, group, numbers, test = made(folder)
        eosin = Eosin(pathlib.Path(sys.argv[1]).resolve() / "eosin", folder)
        ridge(eosin, x, numbers, test)
        conditions(eosin, x, weak, target, test)
        compared(eosin, target, test)
        robustness(eosin, x, target, site, group)
        held_out(eosin, x, target, site)
    print("ok")


main()

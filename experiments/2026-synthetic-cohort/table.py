"""Markdown table of the runs below a folder: table.py RUNS."""
import glob
import json
import sys

print("| features | head | AUROC (95 %) | average precision of attention | chance | AUROC of attention | slides |")
print("|---|---|---|---|---|---|---|")
for path in sorted(glob.glob(f"{sys.argv[1]}/mil-*/results.json")):
    results = json.load(open(path))
    found = results.get("localization", {})
    for model in results["models"]:
        metric = model["metrics"]["auroc_ovr_macro"]
        cells = [path.split("/mil-")[-1].split("/")[0], model["name"], "{pooled:.3f} ({ci_low:.3f} – {ci_high:.3f})".format(**metric)]
        looked = model is results["models"][0] and "average_precision" in found
        cells += [f"{found[k]:.3f}" if looked else "" for k in ("average_precision", "chance", "auroc")] + [str(found["slides"]) if looked else ""]
        print("| " + " | ".join(cells) + " |")

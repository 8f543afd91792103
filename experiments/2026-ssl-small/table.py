"""Markdown table of accuracy with intervals: table.py EVAL_FOLDER, of runs named NAME-colour-knn, NAME-grey-linear..."""
import json
import pathlib
import sys

ROWS = ["color_statistics", "untrained", "dino", "dino-student", "dinov2", "dinov2-student", "mae", "mae-mean_patch", "simclr", "distill"]
COLUMNS = ["colour-knn", "colour-linear", "grey-knn", "grey-linear"]


def cell(folder):
    results = folder / "results.json"
    if not results.exists():
        return "-"
    metrics = {m["name"]: m["pooled"] for m in json.loads(results.read_text())["metrics"]}
    value = metrics["accuracy"]
    return f"{100 * value['value']:.1f} ({100 * value['ci_low']:.1f}-{100 * value['ci_high']:.1f})"


folder = pathlib.Path(sys.argv[1])
print("| features | " + " | ".join(c.replace("-", ", ") for c in COLUMNS) + " |")
print("|---" * (len(COLUMNS) + 1) + "|")
for row in ROWS:
    print(f"| {row} | " + " | ".join(cell(folder / f"{row}-{c}") for c in COLUMNS) + " |")

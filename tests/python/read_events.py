"""Reads an event folder with the real tensorboard package and compares it with metrics.jsonl.

usage: read_events.py RUN_DIR      (exit 0: every scalar of every row is there, with its value)
"""
import json
import math
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def scalars_of(row):
    for key, value in row.items():
        if isinstance(value, dict):
            for name, part in value.items():
                yield f"{key}/{name}", part
        elif key not in ("step", "time") and value is not None:
            yield f"train/{key}", value


def main(run_dir):
    run = pathlib.Path(run_dir)
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    tags = events.Tags()
    found = {tag: {e.step: e.value for e in events.Scalars(tag)} for tag in tags["scalars"]}
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    compared = 0
    for row in rows:
        for tag, value in scalars_of(row):
            got = found.get(tag, {}).get(row["step"])
            if got is None or not math.isclose(got, value, rel_tol=1e-6, abs_tol=1e-12):
                sys.exit(f"{tag} at step {row['step']}: tensorboard has {got}, metrics.jsonl {value}")
            compared += 1
    for tag in tags["images"]:
        for image in events.Images(tag):
            assert image.encoded_image_string.startswith(b"\x89PNG"), tag
    print(f"{compared} scalars of {len(rows)} rows agree, {len(tags['images'])} image tags")


if __name__ == "__main__":
    main(*sys.argv[1:])

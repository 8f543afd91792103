"""The real tensorboard package reads what a run wrote, over a kill and a restart, as metrics.jsonl has it.

usage: read_events.py BIN_DIR
"""
import io
import json
import math
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

try:
    from PIL import Image
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError:
    print("skipped: tensorboard or Pillow is not installed")
    sys.exit(77)


def scalars_of(row):
    for key, value in row.items():
        if isinstance(value, dict):
            for name, part in value.items():
                yield f"{key}/{name}", part
        elif key not in ("step", "time") and value is not None:
            yield f"train/{key}", value


def train(program, run):
    keys = [f"dir={run}", "train.steps=60", "train.log_every=1", "train.checkpoint_every=10"]
    child = subprocess.Popen([program, *keys, "pause_ms=20"])
    while child.poll() is None and not list(run.glob("checkpoints/step-*20")):
        time.sleep(0.01)
    time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    subprocess.run([program, *keys], check=True)


def compare(run):
    files = list((run / "tensorboard").iterdir())
    assert len(files) == 2, f"one event file per start, got {len(files)}"
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    found = {tag: {e.step: e.value for e in events.Scalars(tag)} for tag in events.Tags()["scalars"]}
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    compared = 0
    for row in rows:
        for tag, value in scalars_of(row):
            got = found.get(tag, {}).get(row["step"])
            assert got is not None and math.isclose(got, value, rel_tol=1e-6, abs_tol=1e-12), f"{tag} at step {row['step']}: {got}, need {value}"
            compared += 1
    assert sorted(found["train/loss"]) == [row["step"] for row in rows] == list(range(1, 61))
    print(f"{compared} scalars of {len(rows)} rows agree")
    compare_pictures(events)


def compare_pictures(events):
    pictures = events.Images("picture")
    assert [p.step for p in pictures] == list(range(10, 61, 10)), [p.step for p in pictures]
    for p in pictures:
        assert (p.height, p.width) == (4, 6)
        with Image.open(io.BytesIO(p.encoded_image_string)) as image:
            assert image.size == (6, 4) and image.convert("RGB").getcolors() == [(24, (p.step,) * 3)]
    print(f"{len(pictures)} pictures agree")


with tempfile.TemporaryDirectory() as folder:
    train(pathlib.Path(sys.argv[1]) / "toy_train", pathlib.Path(folder))
    compare(pathlib.Path(folder))

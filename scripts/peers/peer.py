"""What the peer scripts share: reading a tile store with h5py alone, and reporting a figure."""
import glob
import importlib.util
import json
import os
import resource
import sys
import time


def need(*modules):
    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    if missing:
        sys.exit(f"error: [bench] {sys.executable} lacks {', '.join(missing)}")


class TileStore:
    """The JPEG records of all shards of a store, as one list."""

    def __init__(self, path):
        import h5py

        paths = sorted(glob.glob(os.path.join(path, "*.h5"))) if os.path.isdir(path) else [path]
        self.shards = []
        for p in paths:
            f = h5py.File(p, "r")
            if "jpeg" not in f:
                sys.exit(f"error: [bench] {p} holds raw pixels; the peers read JPEG stores")
            self.shards.append((f["jpeg"], f["offsets"][:]))
        self.index = [(s, i) for s, (_, offsets) in enumerate(self.shards) for i in range(len(offsets) - 1)]

    def __len__(self):
        return len(self.index)

    def record(self, k):
        s, i = self.index[k]
        data, offsets = self.shards[s]
        return data[int(offsets[i]):int(offsets[i + 1])]


def cpu_seconds():
    """Of this process and of the children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


class Stopwatch:
    def __init__(self):
        self.cpu, self.wall = cpu_seconds(), time.perf_counter()

    def print(self, name, items, peak=None):
        """`peak` in bytes where it is not the process's own."""
        cpu, wall = cpu_seconds() - self.cpu, time.perf_counter() - self.wall
        if peak is None:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"name": name, "items": items, "cpu_seconds": cpu, "wall_seconds": wall, "peak_bytes": peak}))

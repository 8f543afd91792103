#!/usr/bin/env python3
"""The Python side of `eosin bench store --peer`: records of a tile store in random order, read with h5py.

usage: store.py --store DIR --records N      prints one JSON object
"""
import argparse

from peer import Stopwatch, TileStore, need

need("h5py", "numpy")
import numpy


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", required=True)
    parser.add_argument("--records", type=int, required=True)
    args = parser.parse_args()
    store = TileStore(args.store)
    order = numpy.random.default_rng(0).integers(0, len(store), args.records).tolist()
    watch = Stopwatch()
    for k in order:
        store.record(k)
    watch.print("h5py", args.records)


if __name__ == "__main__":
    main()

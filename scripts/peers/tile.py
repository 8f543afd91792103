#!/usr/bin/env python3
"""The Python side of `eosin bench tile --peer`: the tiles of a store cut once more, by openslide-python and Pillow on one thread.

usage: tile.py --store DIR --quality N      prints one JSON object

Finding tissue costs this side nothing: slides, coordinates and sizes are read from the store that eosin has just made.
"""
import argparse
import glob
import io
import os

from peer import Stopwatch, need

need("openslide", "h5py", "numpy", "PIL")
import h5py
import openslide
from PIL import Image


def tiles_by_slide(folder):
    """(path of the slide, tile size, [(x, y, edge in level-0 pixels)])"""
    for shard in sorted(glob.glob(os.path.join(folder, "*.h5"))):
        with h5py.File(shard, "r") as f:
            rows, coords, edges = f["slide"][:], f["coords"][:], f["level0_size"][:]
            for k, path in enumerate(f["slides/path"][:]):
                own = [(int(x), int(y), int(e)) for (x, y), e, s in zip(coords, edges, rows) if s == k]
                yield path.decode(), int(f.attrs["tile_width"]), own


def cut(slide, size, x, y, edge, quality):
    scale = edge / size
    level = max((k for k, d in enumerate(slide.level_downsamples) if d <= 1.01 * scale), default=0)
    read = max(1, int(edge / slide.level_downsamples[level] + 0.5))
    picture = slide.read_region((x, y), level, (read, read)).convert("RGB")
    if read != size:
        picture = picture.resize((size, size), Image.Resampling.BICUBIC)
    picture.save(io.BytesIO(), "JPEG", quality=quality)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", required=True)
    parser.add_argument("--quality", type=int, required=True)
    args = parser.parse_args()
    work = list(tiles_by_slide(args.store))
    watch = Stopwatch()
    done = 0
    for path, size, tiles in work:
        with openslide.OpenSlide(path) as slide:
            for x, y, edge in tiles:
                cut(slide, size, x, y, edge, args.quality)
        done += len(tiles)
    watch.print("openslide-python + Pillow", done)


if __name__ == "__main__":
    main()

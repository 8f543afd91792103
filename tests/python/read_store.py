"""Reads a tile store with h5py and Pillow alone, as docs/formats.md shows: read_store.py STORE_FOLDER [FEATURES.h5 ...].

Every record is decoded and compared with its place in the index; the features files given after the store are read as TRIDENT's
readers do. Ends with one line: "<tiles> tiles, <slides> slides".
"""
import io
import json
import pathlib
import sys

import h5py
import numpy as np
from PIL import Image


def read_shard(path, height, width):
    f = h5py.File(path)
    assert f.attrs["format"] == b"eosin-tiles" and f.attrs["complete"] == 1
    n = int(f.attrs["n_tiles"])
    for name in ("crc32c", "coords", "slide", "level0_size", "tissue", "qc"):
        assert len(f[name]) == n and f[name].chunks is None, name
    for i in range(n):
        if f.attrs["codec"] == b"raw":
            picture = f["pixels"][i]
        else:
            o = f["offsets"]
            picture = np.asarray(Image.open(io.BytesIO(f["jpeg"][o[i]:o[i + 1]].tobytes())).convert("RGB"))
        assert picture.shape == (height, width, 3), picture.shape
    for name in f:
        if name.startswith("label_"):
            assert len(f[name]) == n, name
    return n, [s.decode() for s in f["slides/id"][:]]


def read_features(path):
    with h5py.File(path) as f:
        features, coords = f["features"][:], f["coords"][:]
        assert len(features) == len(coords) and coords.dtype == np.int64 and np.isfinite(features).all()
        assert "encoder" in f["features"].attrs
        for key in ("patch_size", "patch_size_level0", "level0_magnification", "target_magnification", "overlap", "name", "savetodir"):
            assert key in f["coords"].attrs, key


def main():
    folder = pathlib.Path(sys.argv[1])
    manifest = json.loads((folder / "store.json").read_text())
    tiles, slides = 0, set()
    for shard in manifest["shards"]:
        n, ids = read_shard(folder / shard["path"], manifest["tile_height"], manifest["tile_width"])
        assert n == shard["n_tiles"]
        tiles += n
        slides.update(ids)
    assert tiles == manifest["n_tiles"]
    for path in sys.argv[2:]:
        read_features(path)
    print(f"{tiles} tiles, {len(slides)} slides")


if __name__ == "__main__":
    main()

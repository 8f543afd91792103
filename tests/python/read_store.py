"""h5py and Pillow alone read what eosin writes, as docs/formats.md shows: a tile store, whole, and features, as TRIDENT's readers do.

usage: read_store.py BIN_DIR
"""
import io
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
    from PIL import Image
except ImportError as missing:
    print(f"skipped: {missing.name} is not installed")
    sys.exit(77)


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
    coords = {}
    for slide, xy in zip(f["slides/id"][:][f["slide"][:]], f["coords"][:].tolist()):
        coords.setdefault(slide.decode(), []).append(xy)
    return n, coords


def read_store(folder):
    """Decodes every record; tiles of each slide."""
    manifest = json.loads((folder / "store.json").read_text())
    tiles, slides = 0, {}
    for shard in manifest["shards"]:
        n, of_shard = read_shard(folder / shard["path"], manifest["tile_height"], manifest["tile_width"])
        assert n == shard["n_tiles"]
        tiles += n
        for slide, coords in of_shard.items():
            slides.setdefault(slide, []).extend(coords)
    assert tiles == manifest["n_tiles"]
    return slides


def read_features(path):
    """Features and coordinates of a slide."""
    with h5py.File(path) as f:
        features, coords = f["features"][:], f["coords"][:]
        assert len(features) == len(coords) and coords.dtype == np.int64 and np.isfinite(features).all()
        assert "encoder" in f["features"].attrs
        for key in ("patch_size", "patch_size_level0", "level0_magnification", "target_magnification", "overlap", "name", "savetodir"):
            assert key in f["coords"].attrs, key
        return features, coords


def main():
    program = pathlib.Path(sys.argv[1]).resolve() / "eosin"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)

        def eosin(*words):
            subprocess.run([program, *map(str, words), "--quiet"], check=True, stdout=subprocess.DEVNULL)

        eosin("demo", folder / "cohort", "slides=3")
        for codec in ("jpeg", "raw"):
            store, features = folder / codec, folder / f"features-{codec}"
            eosin("tile", f"slides={folder / 'cohort/cohort.csv'}", f"store={store}", "tile.size_px=96", "tile.mpp=1.0", f"encoding.codec={codec}")
            eosin("embed", f"store={store}", "encoder=color_statistics", f"out={features}")
            slides = read_store(store)
            assert len(slides) == 3, slides.keys()
            for slide, coords in slides.items():
                assert read_features(features / f"{slide}.h5")[1].tolist() == coords, slide
            print(f"{codec}: {sum(map(len, slides.values()))} tiles of {len(slides)} slides, and their features")


if __name__ == "__main__":
    main()

"""The ways in and out, with the programs at the other end: h5py, the package webdataset, and CLAM's and TRIDENT's reading of coordinates.

usage: interchange.py BIN_DIR
"""
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile

try:
    import h5py
    import numpy as np
    import webdataset
    from PIL import Image
except ImportError as missing:
    print(f"skipped: {missing.name} is not installed")
    sys.exit(77)


def jpeg(picture, quality=90):
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=quality)
    return out.getvalue()


def pictures(n, edge=40):
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 255, (n, 5, 5, 3), np.uint8)
    return [np.asarray(Image.fromarray(c).resize((edge, edge), Image.BICUBIC)) for c in coarse]


def read_store(folder):
    """Pixels, coordinates and text columns of a store of one shard, in order."""
    with h5py.File(folder / "shard-00000.h5") as f:
        n, o = int(f.attrs["n_tiles"]), f["offsets"] if "offsets" in f else None
        streams = [f["jpeg"][o[i]:o[i + 1]].tobytes() for i in range(n)] if o else None
        pixels = [np.asarray(Image.open(io.BytesIO(s)).convert("RGB")) for s in streams] if o else list(f["pixels"][:])
        texts = {k[6:]: [t.decode() for t in f[k][:]] for k in f if k.startswith("label_")}
        return {"streams": streams, "pixels": pixels, "coords": f["coords"][:], "texts": texts, "slides": [s.decode() for s in f["slides/id"][:]],
                "slide": f["slide"][:], "level0_size": f["level0_size"][:]}


def clam_reads(coords_folder, slide_folder):
    """What CLAM's extract_features_fp and Whole_Slide_Bag_FP look at."""
    tiles = {}
    table = (coords_folder / "process_list_autogen.csv").read_text().splitlines()
    assert table[0].split(",")[0] == "slide_id"
    for row in table[1:]:
        slide_file = row.split(",")[0]
        slide_id = slide_file.split(".tiff")[0]
        assert (slide_folder / slide_file).exists()
        with h5py.File(coords_folder / "patches" / f"{slide_id}.h5", "r") as f:
            dset = f["coords"]
            patch_level, patch_size = dset.attrs["patch_level"], dset.attrs["patch_size"]
            assert isinstance(dset.attrs["name"], str) and isinstance(dset.attrs["save_path"], str)
            assert dset.attrs["downsample"].dtype == np.float64 and dset.attrs["level_dim"].dtype == np.int64
            assert dset.dtype == np.int64 and dset.maxshape == (None, 2)
            tiles[slide_id] = [(tuple(dset[i]), int(patch_level), int(patch_size)) for i in range(len(dset))]
    return tiles


def trident_reads(coords_folder):
    """What TRIDENT's read_coords and extract_patch_features look at."""
    tiles = {}
    for path in sorted((coords_folder / "patches").glob("*_patches.h5")):
        with h5py.File(path, "r") as f:
            attrs, coords = dict(f["coords"].attrs), f["coords"][:]
        patch_size, level0, target = attrs.get("patch_size"), attrs.get("level0_magnification"), attrs.get("target_magnification")
        assert None not in (patch_size, level0, target, attrs.get("patch_size_level0"), attrs.get("overlap"))
        assert {"level0_width", "level0_height", "name", "savetodir"} <= set(attrs) and coords.dtype == np.int64
        assert attrs["patch_size_level0"] == patch_size * level0 // target, attrs
        tiles[attrs["name"]] = coords.tolist()
    return tiles


class Interchange:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def eosin(self, *words, fails=None):
        done = subprocess.run([self.program, *map(str, words), "--quiet", "--json"], capture_output=True, text=True)
        assert done.returncode == (fails or 0), done.stderr
        return json.loads(done.stdout) if done.stdout else None

    def imports(self, path, name, *words):
        out = self.folder / f"{name}-store"
        result = self.eosin("store", "import", path, f"out={out}", *words)
        return result, read_store(out)

    def webdataset_in(self):
        """Tars of the package and of tarfile's three formats."""
        images = pictures(6)
        with webdataset.TarWriter(str(self.folder / "wds.tar")) as sink:
            for i, image in enumerate(images):
                sink.write({"__key__": f"train/{i:04d}", "jpg": jpeg(image), "cls": i % 3, "json": {"slide": f"S{i // 4}", "patient": "007"}})
        result, store = self.imports(self.folder / "wds.tar", "wds")
        assert result["copied"] == 6 and result["bad"] == 0, result
        assert store["streams"] == [jpeg(i) for i in images]
        assert store["texts"] == {"id": [f"train/{i:04d}" for i in range(6)], "class": list("012012"), "patient": ["007"] * 6}
        assert store["slides"] == ["S0", "S1"]
        for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            deep = "d" * 60 + "/" + ("f" * 60 if form == tarfile.USTAR_FORMAT else "é" * 120)
            path = self.folder / f"dress{form}.tar"
            with tarfile.open(path, "w", format=form) as tar:
                for i, image in enumerate(images):
                    info = tarfile.TarInfo(f"{deep}{i}.jpg")
                    info.size = len(jpeg(image))
                    tar.addfile(info, io.BytesIO(jpeg(image)))
            _, store = self.imports(path, f"dress{form}")
            assert store["texts"]["id"] == [f"{deep}{i}" for i in range(6)] and store["streams"] == [jpeg(i) for i in images], form
        print("webdataset in: the package's tar, and ustar, GNU and pax")

    def webdataset_out(self):
        out = self.folder / "out"
        result = self.eosin("store", "export", self.folder / "wds-store", f"out={out}", "format=webdataset", "shard_tiles=4")
        assert result["tars"] == 2, result
        samples = list(webdataset.WebDataset([str(p) for p in sorted(out.glob("*.tar"))], shardshuffle=False).decode("rgb8"))
        store = read_store(self.folder / "wds-store")
        assert [s["__key__"] for s in samples] == [f"{i:09d}" for i in range(6)]
        for i, sample in enumerate(samples):
            assert (sample["jpg"] == store["pixels"][i]).all()
            assert sample["json"]["slide"] == f"S{i // 4}" and sample["json"]["class"] == str(i % 3)
            assert [sample["json"]["x"], sample["json"]["y"]] == store["coords"][i].tolist()
        print("webdataset out: the package reads pictures and JSON")

    def hdf5_in(self):
        images = pictures(5)
        with h5py.File(self.folder / "streams.h5", "w") as f:
            streams = f.create_dataset("images", (5,), dtype=h5py.vlen_dtype(np.uint8), chunks=(2,))
            for i, image in enumerate(images):
                streams[i] = np.frombuffer(jpeg(image), np.uint8)
            f.create_dataset("label", data=[f"class {i % 2}" for i in range(5)], dtype=h5py.string_dtype())
        result, store = self.imports(self.folder / "streams.h5", "streams")
        assert result["copied"] == 5 and store["streams"] == [jpeg(i) for i in images]
        assert store["texts"]["class"] == [f"class {i % 2}" for i in range(5)]
        with h5py.File(self.folder / "bag.h5", "w") as f:
            imgs = f.create_dataset("imgs", data=np.stack(images), chunks=(1, 40, 40, 3), maxshape=(None, 40, 40, 3), compression="gzip")
            f.create_dataset("coords", data=np.array([[10 * i, 3] for i in range(5)], np.int32), maxshape=(None, 2), chunks=(1, 2))
            for name, value in {"patch_level": 1, "wsi_name": "bag slide", "downsample": (4.0, 4.0), "level_dim": np.array([500, 400]),
                                "downsampled_level_dim": np.array([500, 400])}.items():
                imgs.attrs[name] = value
        _, store = self.imports(self.folder / "bag.h5", "bag", "encoding.codec=raw")
        assert all((a == b).all() for a, b in zip(store["pixels"], images)) and store["slides"] == ["bag"]
        assert store["coords"].tolist() == [[40 * i, 12] for i in range(5)] and set(store["level0_size"]) == {160}
        print("HDF5 in: JPEG streams and a bag of CLAM's")

    def coordinates(self):
        slides = self.folder / "cohort/slides"
        self.eosin("demo", self.folder / "cohort", "slides=2")
        tile = [f"slides={slides}", "tile.size_px=96", "encoding.codec=raw", "tissue.method=clam", "tissue.method.a_t=1", "grid=clam"]
        store = self.folder / "tiles"
        self.eosin("tile", *tile, f"store={store}", "tile.mpp=0.5")
        want = read_store(store)
        by_slide = {s: want["coords"][want["slide"] == i].tolist() for i, s in enumerate(want["slides"])}
        assert sum(map(len, by_slide.values())) > 20, by_slide
        for layout in ("clam", "trident"):
            out = self.folder / layout
            self.eosin("tile", *tile, f"store={out}", "tile.mpp=0.5", f"output={layout}")
            if layout == "clam":
                read = clam_reads(out, slides)
                assert all(t[1:] == (0, 96) for rows in read.values() for t in rows)
                read = {s: [list(map(int, t[0])) for t in rows] for s, rows in read.items()}
            else:
                read = trident_reads(out)
            assert read == by_slide, layout
            _, again = self.imports(out, layout, f"slides={slides}", "encoding.codec=raw")
            assert (again["coords"] == want["coords"]).all() and all((a == b).all() for a, b in zip(again["pixels"], want["pixels"]))
        # As CLAM and TRIDENT write them: one row a chunk, attributes of their own types.
        name, rows = next(iter(by_slide.items()))
        foreign = self.folder / "foreign"
        foreign.mkdir()
        with h5py.File(foreign / f"{name}.h5", "w") as f:
            coords = f.create_dataset("coords", data=np.array(rows, np.int32), chunks=(1, 2), maxshape=(None, 2))
            for key, value in {"patch_size": 96, "patch_level": 0, "downsample": (1.0, 1.0), "name": name, "save_path": "x"}.items():
                coords.attrs[key] = value
        result, again = self.imports(foreign, "foreign", f"slides={slides}", "encoding.codec=raw")
        assert result["tiles"] == len(rows) and again["coords"].tolist() == rows
        print("coordinates: CLAM's and TRIDENT's readers take ours, ours takes theirs, tiles cut again are the same")


def main():
    with tempfile.TemporaryDirectory() as name:
        work = Interchange(pathlib.Path(sys.argv[1]).resolve() / "eosin", pathlib.Path(name))
        work.webdataset_in()
        work.webdataset_out()
        work.hdf5_in()
        work.coordinates()


if __name__ == "__main__":
    main()

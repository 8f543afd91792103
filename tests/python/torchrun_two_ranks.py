"""Two ranks started by the real torchrun train the parameters of one process.

usage: torchrun_two_ranks.py BIN_DIR
"""
import importlib.util
import pathlib
import subprocess
import sys
import tempfile

for package in ("torch", "safetensors"):
    if importlib.util.find_spec(package) is None:
        print(f"skipped: {package} is not installed")
        sys.exit(77)
from safetensors.torch import load_file

TOLERANCE = 1e-6
STEPS = 5


def parameters(run):
    """What the last checkpoint holds of the objective: student, teacher, heads, centre."""
    return load_file(run / "checkpoints" / f"step-{STEPS:08d}" / "task.safetensors")


def main():
    program = pathlib.Path(sys.argv[1]).resolve() / "eosin"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)

        def run(*words, before=()):
            subprocess.run([*before, program, *map(str, words), "--quiet"], check=True, stdout=subprocess.DEVNULL)

        def pretrain(run_dir, before=()):
            # without drop path, whose draws belong to the samples of one rank, and with an eps that keeps Adam from scaling up mere rounding
            run("pretrain", f"data.store={folder / 'tiles'}", "data.crops.n_local=2", "model.name=vit_tiny", "model.image_size_px=32",
                "model.drop_path_rate=0", "method.n_prototypes=64", "method.hidden_dim=64", "optim.eps=1e-4",
                "train.batch_size=8", f"train.steps={STEPS}",
                f"run.dir={run_dir}", before=before)

        run("demo", folder / "cohort", "slides=2")
        run("tile", f"slides={folder / 'cohort/cohort.csv'}", f"store={folder / 'tiles'}", "tile.size_px=96", "tile.mpp=1.0")
        pretrain(folder / "one")
        pretrain(folder / "two", [sys.executable, "-m", "torch.distributed.run", "--standalone", "--no-python", "--nproc-per-node", "2"])

        one, two = parameters(folder / "one"), parameters(folder / "two")
        assert one.keys() == two.keys()
        worst = max((one[key].double() - two[key].double()).abs().max().item() for key in one)
        print(f"{len(one)} tensors, largest difference {worst:.2e}")
        assert worst < TOLERANCE


if __name__ == "__main__":
    main()

"""What the parity scripts share: eosin's verbs, and its features of given images."""

import json
import subprocess

from safetensors.torch import load_file, save_file


def eosin(bin_folder, *words):
    """The result of a verb."""
    done = subprocess.run([bin_folder / "eosin", *map(str, words), "--json"], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def features_of(bin_folder, encoder, images, folder):
    """eosin's features of images, by way of files in `folder`."""
    source, target = folder / "in.safetensors", folder / "out.safetensors"
    save_file({"images": images}, source)
    subprocess.run([bin_folder / "encoder_features", encoder, source, target], check=True)
    return load_file(target)["features"]

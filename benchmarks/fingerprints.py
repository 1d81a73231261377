"""Compare the histories and weights of ten small trainings, bit for bit, before and after a refactoring.

    python -m benchmarks.fingerprints --write before.json    # on the code before the change
    python -m benchmarks.fingerprints --compare before.json  # on the code after it, on the same machine

The bits depend on the processor and on the versions of NumPy, Keras and TensorFlow, so the file is not committed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import mtl_keras as mtl
from mtl_keras.training import Run

TASKS = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"), mtl.Reconstruction("image"))
TWO = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))
SHAPE = (8, 8, 1)
SMALL = mtl.Backbone("SmallCNN", filters=(4, 8), dropout=0.2)


def adam(rate: float = 0.01) -> dict[str, Any]:
    return {"class_name": "Adam", "config": {"learning_rate": rate}}


def digits(tasks: mtl.Tasks = TASKS, missing: bool = False, rounded: bool = False) -> mtl.data.Data:
    data = mtl.data.load("digits", tasks).subset(300, seed=0)
    if rounded:
        data = replace(data, train=data.train.with_x(data.train.x.astype(np.uint8)))
    if missing:
        weight = dict(data.train.weight)
        weight["parity"] = np.where(np.arange(len(data.train)) % 3 > 0, 0, weight["parity"]).astype(np.float32)
        weight["parity"][:120] = 0
        data = replace(data, train=replace(data.train, weight=weight))
    return data


def phase(**options: Any) -> mtl.Phase:
    return mtl.Phase(**{"epochs": 3, "batch_size": 64, "optimizer": adam(), **options})


def build(tasks: mtl.Tasks = TASKS, backbone: Any = SMALL, **options: Any) -> Any:
    return mtl.build_model(tasks, backbone, image_shape=SHAPE, **options)


def bare(cache: Path) -> Run:
    return mtl.train(build(), digits(), phase(schedule="cosine"), cache_dir=cache)


def shared_stack(cache: Path) -> Run:
    model = build(shared=mtl.Head(dense=(16, 8), dropout=0.1), heads={"digit": mtl.Head(dense=(8,))})
    return mtl.train(model, digits(missing=True), phase(), cache_dir=cache)


def out_of_fold(cache: Path) -> Run:
    model = build(TWO, shared=(16,), stack={"parity": "digit"})
    second = phase(tasks=("parity",), freeze=("backbone", "shared"), folds=2)
    return mtl.train(model, digits(TWO), phase(tasks=("digit",)), second, cache_dir=cache)


def alternation(cache: Path) -> Run:
    one = mtl.data.load("digits", mtl.Tasks(mtl.Classification("digit", classes=10))).subset(200, seed=0)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (90, *SHAPE)).astype(np.uint8)
    bright = {"bright": (images.mean((1, 2, 3)) > 128).astype(float)}
    other = mtl.data.from_arrays(mtl.Tasks(mtl.Binary("bright")), (images, bright), name="noise")
    data = mtl.data.alternate(replace(one, test=None), other, seed=1)
    model = mtl.build_model(data.tasks, SMALL, image_shape=SHAPE, shared=(16,))
    return mtl.train(model, data, phase(), cache_dir=cache)


def views(cache: Path) -> Run:
    model = build(TWO, shared=(16,), freeze=True)
    shown = digits(TWO, rounded=True).augment(("identity", {"method": "crop", "pad": 1}, "flip_lr"), mode="views")
    return mtl.train(model, shown, phase(), cache_dir=cache)


def online(cache: Path) -> Run:
    data = digits(TWO, rounded=True).augment({"method": "crop", "pad": 1}, mode="online")
    return mtl.train(build(TWO), data, phase(), cache_dir=cache)


def dwa(cache: Path) -> Run:
    return mtl.train(build(shared=(16,)), digits(), phase(epochs=4, weighting="dwa"), cache_dir=cache)


def uncertainty(cache: Path) -> Run:
    return mtl.train(build(shared=(16,)), digits(missing=True), phase(weighting="uncertainty"), cache_dir=cache)


def decoder(cache: Path) -> Run:
    backbone = mtl.Backbone("SmallCNN", filters=(4, 8), pooling=None)
    heads = {"image": mtl.Decoder(latent=8, filters=(8, 4), batch_norm=True)}
    model = build(backbone=backbone, shared=mtl.Head(dense=(16,), pooling="avg"), heads=heads)
    return mtl.train(model, digits(missing=True), phase(weighting="geometric_mean"), cache_dir=cache)


def cached_trunk(cache: Path) -> Run:
    model = build(TWO, mtl.Backbone("SmallCNN", filters=(4, 8)), shared=mtl.Head(dense=(16,), dropout=0.3), freeze=True)
    fine = phase(epochs=2, optimizer=adam(1e-3), freeze=())
    return mtl.train(model, digits(TWO), phase(), fine, cache_dir=cache)


TRAININGS: dict[str, Callable[[Path], Run]] = {
    function.__name__: function
    for function in (bare, shared_stack, out_of_fold, alternation, views, online, dwa, uncertainty, decoder, cached_trunk)
}


def fingerprint(name: str) -> dict[str, Any]:
    """Return the history of a training as hexadecimal numbers, and digests of its best and last weights."""
    import keras

    keras.utils.set_random_seed(0)
    with tempfile.TemporaryDirectory() as cache:
        run = TRAININGS[name](Path(cache))
    rows = [{entry: float(value).hex() for entry, value in row.items()} for row in run.history]
    digests = {}
    with run.at_last_epoch() as model:
        digests["last"] = hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()
    digests["best"] = hashlib.sha256(b"".join(w.tobytes() for w in run.model.get_weights())).hexdigest()
    return {"history": rows, "weights": digests}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", type=Path)
    action.add_argument("--compare", type=Path)
    parser.add_argument("--only", nargs="*", choices=TRAININGS, default=list(TRAININGS))
    given = parser.parse_args()
    found = {name: fingerprint(name) for name in given.only}
    if given.write:
        given.write.write_text(json.dumps(found, indent=1))
        print(f"{len(found)} fingerprints in {given.write}")
        return 0
    before = json.loads(given.compare.read_text())
    different = 0
    for name, now in found.items():
        same = {part: before[name][part] == now[part] for part in now}
        different += not all(same.values())
        print(f"{name:<16} " + ", ".join(f"{part} {'equal' if equal else 'DIFFERENT'}" for part, equal in same.items()))
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())

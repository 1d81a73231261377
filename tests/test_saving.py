"""What is saved is plain Keras, and `load_model` gives back the rest."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from mtl_keras.errors import MTLError
from mtl_keras.model import Head, MultiTaskModel, Recipe
from mtl_keras.saving import MODEL, RECIPE, STATE, load_model, save_model
from tests import _tiny
from tests._disk import full_after

NAMES = {"kind": ("a", "b", "c")}


@pytest.fixture(scope="module")
def model() -> MultiTaskModel:
    """A model with every kind of layer that a recipe can ask for, no weight of which is what it began with."""
    backbone = _tiny.BACKBONE.replace(filters=(4, 5), dropout=0.3, image_size=12, interpolation="bilinear")
    heads = {"odd": Head(dense=(3, 2), dropout=0.2, activation="gelu")}
    made = _tiny.model(backbone=backbone, shared=Head(dense=(6,), dropout=0.1), heads=heads, freeze="conv2")
    rng = np.random.default_rng(0)
    made.set_weights([weight + rng.uniform(0.1, 0.5, weight.shape) for weight in made.get_weights()])
    made.weighting_state = {"weights": np.array([0.5, 2.0, 0.5], np.float32), "step": np.array(7.0, np.float32)}
    return made


@pytest.fixture(scope="module")
def folder(model: MultiTaskModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "run"
    save_model(model, path, class_names=NAMES)
    return path


#: First without mtl_keras, as anybody's process; then with it.
PROGRAM = """
import importlib.abc, json, sys
from pathlib import Path

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "mtl_keras":
            raise ImportError("not here")

refuse = Refuse()
sys.meta_path.insert(0, refuse)
folder = Path(sys.argv[1])
import keras
import numpy as np
images = np.load(folder / "images.npy")
plain = keras.saving.load_model(folder / "model.keras", safe_mode=True)
classes = {type(layer) for layer in plain._flatten_layers()}
np.savez(folder / "plain.npz", **plain.predict(images, verbose=0))
sys.meta_path.remove(refuse)
assert "mtl_keras" not in sys.modules
import mtl_keras as mtl
model = mtl.load_model(folder)
np.savez(folder / "model.npz", **model.predict(images, verbose=0))
print(json.dumps({
    "modules": sorted({kind.__module__.split(".")[0] for kind in classes}),
    "recipe": model.recipe.config(),
    "state": {name: value.tolist() for name, value in model.weighting_state.items()},
}))
"""


def test_a_fresh_process_without_mtl_keras_predicts_the_same(model: MultiTaskModel, folder: Path) -> None:
    images = _tiny.rows(9, 3)[0]
    np.save(folder / "images.npy", images)
    expected = model.predict(images, verbose=0)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)], capture_output=True, text=True, env=environment, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    for file in ("plain.npz", "model.npz"):
        found = np.load(folder / file)
        assert sorted(found) == ["image", "kind", "odd"]
        for task in expected:
            np.testing.assert_allclose(found[task], expected[task], rtol=1e-5, atol=1e-6)
    assert said["modules"] == ["keras"]
    assert Recipe.from_config(said["recipe"]) == model.recipe
    assert said["state"] == {"weights": [0.5, 2.0, 0.5], "step": 7.0}


def test_load_gives_back_recipe_weights_flags_and_state(model: MultiTaskModel, folder: Path) -> None:
    loaded = load_model(folder)
    assert isinstance(loaded, MultiTaskModel)
    assert loaded.recipe == model.recipe
    assert [w.shape for w in loaded.weights] == [w.shape for w in model.weights]
    for ours, theirs in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    flags = [[(layer.name, layer.trainable) for layer in m.get_layer("backbone").layers] for m in (loaded, model)]
    assert flags[0] == flags[1]
    assert {name: value.tolist() for name, value in loaded.weighting_state.items()} == {"weights": [0.5, 2.0, 0.5], "step": 7.0}
    assert json.loads((folder / RECIPE).read_text())["class_names"] == {"kind": ["a", "b", "c"]}


def test_saving_again_replaces_all(model: MultiTaskModel, tmp_path: Path) -> None:
    save_model(_tiny.model(), tmp_path)
    assert load_model(tmp_path).weighting_state == {}
    save_model(model, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([MODEL, STATE, RECIPE])
    assert load_model(tmp_path).recipe == model.recipe


@pytest.mark.parametrize("missing", [MODEL, STATE, RECIPE])
def test_a_folder_without_one_of_the_files_is_refused(model: MultiTaskModel, tmp_path: Path, missing: str) -> None:
    for name in {MODEL, STATE, RECIPE} - {missing}:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(MTLError, match=rf"without {missing}\. Name the folder of a finished run"):
        load_model(tmp_path)
    with pytest.raises(MTLError, match=r"without model\.keras, state\.weights\.h5, tasks\.json"):
        load_model(tmp_path / "nowhere")


@pytest.mark.parametrize("room", [0, 2000])
def test_a_full_disk_leaves_nothing(model: MultiTaskModel, tmp_path: Path, room: int) -> None:
    with full_after(room), pytest.raises(MTLError, match=r"whole or not at all.*File too large") as info:
        save_model(model, tmp_path / "new")
    assert "\n" not in str(info.value)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_failure_at_any_file_leaves_each_whole(
    model: MultiTaskModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(model, tmp_path)
    before = [path.name for path in tmp_path.iterdir()]
    replace = os.replace
    for refused in before:

        def refuse(source: Any, target: Any, refused: str = refused) -> None:
            if Path(target).name == refused:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            replace(source, target)

        inodes = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
        monkeypatch.setattr(os, "replace", refuse)
        with pytest.raises(MTLError, match=rf"No space left on device at .*{refused}"):
            save_model(model, tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(before)
        assert (tmp_path / refused).stat().st_ino == inodes[refused]
    assert keras.saving.load_model(tmp_path / MODEL).output_names == model.output_names

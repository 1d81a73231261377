"""Saving: what a file holds, what is refused, failures, and folders that earlier versions wrote."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from mtl_keras.errors import MTLError
from mtl_keras.model import Head, MultiTaskModel, read_metadata
from mtl_keras.saving import MODEL, load_model
from tests import _tiny
from tests._disk import full_after

NAMES: dict[str, tuple[str, ...]] = {"kind": ("a", "b", "c")}
STATE = {"weights": np.array([0.5, np.nan, 1 / 3], np.float32), "step": np.array(7.0, np.float32)}


@pytest.fixture(scope="module")
def model() -> MultiTaskModel:
    """A model of which no weight has its initial value."""
    backbone = _tiny.BACKBONE.replace(filters=(4, 5), dropout=0.3, image_size=12, interpolation="bilinear")
    heads = {"odd": Head(dense=(3, 2), dropout=0.2, activation="gelu")}
    created = _tiny.model(backbone=backbone, shared=(6,), heads=heads, freeze="conv2")
    rng = np.random.default_rng(0)
    created.set_weights([weight + rng.uniform(0.1, 0.5, weight.shape) for weight in created.get_weights()])
    created.weighting_state = STATE
    created.class_names = NAMES
    return created


@pytest.fixture(scope="module")
def file(model: MultiTaskModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "new" / MODEL
    model.save(path)
    return path


def assert_equal(loaded: MultiTaskModel, model: MultiTaskModel) -> None:
    assert loaded.recipe == model.recipe
    for ours, theirs in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    flags = [[(layer.name, layer.trainable) for layer in m.get_layer("backbone").layers[1:]] for m in (loaded, model)]
    assert flags[0] == flags[1]
    images = _tiny.rows(4, 3)[0]
    for task, output in model(images).items():
        np.testing.assert_array_equal(loaded(images)[task], output)


def test_recipe_weights_flags_names_and_state_are_restored(model: MultiTaskModel, file: Path) -> None:
    for path in (file, file.parent, str(file)):
        loaded = load_model(path)
        assert_equal(loaded, model)
        assert loaded.class_names == NAMES
        assert set(loaded.weighting_state) == set(STATE)
        for name, value in STATE.items():
            np.testing.assert_array_equal(loaded.weighting_state[name], value)
            assert loaded.weighting_state[name].dtype == value.dtype


def test_a_file_has_one_more_member_than_keras_writes(model: MultiTaskModel, file: Path, tmp_path: Path) -> None:
    model.plain().save(tmp_path / "plain.keras")
    members = [set(zipfile.ZipFile(path).namelist()) for path in (file, tmp_path / "plain.keras")]
    assert members[0] - members[1] == {"mtl_keras.json"}
    member = json.loads(zipfile.ZipFile(file).read("mtl_keras.json"))
    assert read_metadata(file) == {key: value for key, value in member.items() if key != "checksum"}
    assert read_metadata(tmp_path / "plain.keras") is None


def test_the_optimizer_is_not_saved(tmp_path: Path) -> None:
    model = _tiny.model()
    losses = {"kind": "sparse_categorical_crossentropy", "odd": "binary_crossentropy", "image": "mse"}
    model.compile("adam", loss=losses)
    model.save(tmp_path / MODEL)
    assert not keras.models.load_model(tmp_path / MODEL).compiled
    assert not load_model(tmp_path).compiled


def test_no_pretrained_weights_are_looked_for(tmp_path: Path) -> None:
    model = _tiny.model()
    model.get_layer("backbone").save_weights(tmp_path / "own.weights.h5")
    pretrained = _tiny.model(backbone=_tiny.BACKBONE.replace(weights=str(tmp_path / "own.weights.h5")))
    pretrained.save(tmp_path / MODEL)
    (tmp_path / "own.weights.h5").unlink()
    assert_equal(load_model(tmp_path), pretrained)


# Errors


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("model.h5", {}, r"must be saved as one local \.keras file\. Received: '.*model\.h5'\. Pass e\.g\. 'model\.keras'"),
        ("model", {}, r"Received: '.*model'\."),
        ("model.keras", {"zipped": False}, r"Received: '.*model\.keras', zipped=False\."),
        ("hf://me/model.keras", {}, r"Received: '.*hf:/.*model\.keras'"),
    ],
)
def test_other_formats_are_refused(
    model: MultiTaskModel, tmp_path: Path, name: str, options: dict[str, Any], line: str
) -> None:
    with pytest.raises(MTLError, match=line):
        model.save(name if "://" in name else tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_unless_overwrite_is_false(model: MultiTaskModel, tmp_path: Path) -> None:
    other = _tiny.model()
    other.save(tmp_path / MODEL, overwrite=False)
    with pytest.raises(MTLError, match=r"must not be replaced with overwrite=False\. Received: .* or overwrite=True"):
        model.save(tmp_path / MODEL, overwrite=False)
    assert load_model(tmp_path).weighting_state == {}
    model.save(tmp_path / MODEL)
    assert [path.name for path in tmp_path.iterdir()] == [MODEL]
    assert load_model(tmp_path).recipe == model.recipe


def test_a_link_is_followed_and_a_folder_is_not_replaced(model: MultiTaskModel, tmp_path: Path) -> None:
    latest, link = tmp_path / "latest.keras", tmp_path / "link.keras"
    model.save(latest)
    latest.chmod(0o600)
    link.symlink_to(latest.name)
    before = latest.stat()
    _tiny.model().save(link)
    assert link.is_symlink()
    assert load_model(latest).weighting_state == {}
    assert (latest.stat().st_mode, latest.stat().st_ino != before.st_ino) == (before.st_mode, True)
    model.save(tmp_path / ("n" * 249 + ".keras"))
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(MTLError, match=r"Received: Is a directory at .*folder\.keras. Pass another path\.$"):
        model.save(tmp_path / "folder.keras")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_is_no_model_is_refused(model: MultiTaskModel, file: Path, tmp_path: Path) -> None:
    with pytest.raises(MTLError, match=r"a folder with model\.keras\. Received: '.*nowhere'\. Pass the folder"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(MTLError, match=r"Received: '\.'\. Pass the folder of a finished run, or a file that model\.save wrote"):
        load_model(".")
    for other in (3, None):
        with pytest.raises(MTLError, match=rf"`path` must be a path .* Received: path={other}\. Pass another path"):
            load_model(other)  # type: ignore[arg-type]
    np.savez(tmp_path / "own.npz", np.zeros(3))
    with pytest.raises(MTLError, match=r"A model must be a \.keras file or a folder .* Received: '.*own\.npz'\. Pass"):
        load_model(tmp_path / "own.npz")
    (tmp_path / "torn.keras").write_bytes(file.read_bytes()[:5000])
    with pytest.raises(MTLError, match=r"must be a complete \.keras archive\. Received: .*torn\.keras"):
        load_model(tmp_path / "torn.keras")
    model.plain().save(tmp_path / "plain.keras")
    with pytest.raises(MTLError, match=r"written by `save`.*a plain Keras model\. Load it with keras\.models\.load_model"):
        load_model(tmp_path / "plain.keras")
    model.plain().save(tmp_path / "later.keras")
    with zipfile.ZipFile(tmp_path / "later.keras", "a") as archive:
        archive.writestr("mtl_keras.json", json.dumps({"format_version": 99}))
    with pytest.raises(MTLError, match=r"must be at most version 1\. Received: .* version 99\. Install a newer mtl-keras"):
        load_model(tmp_path / "later.keras")


def damage(file: Path, folder: Path, member: str, content: bytes) -> Path:
    """Copy a model file with other content in one member."""
    path = folder / MODEL
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name == member else old.read(name))
    return path


@pytest.mark.parametrize(
    ("member", "change"),
    [
        ("mtl_keras.json", lambda text: b"{}"),
        ("mtl_keras.json", lambda text: b"[1]"),
        ("mtl_keras.json", lambda text: b"\xff"),
        ("mtl_keras.json", lambda text: text[:-20]),
        ("mtl_keras.json", lambda text: b'{"format_version": 1}'),
        ("mtl_keras.json", lambda text: b'{"format_version": "one", "recipe": 3}'),
        ("config.json", lambda text: b"{}"),
        ("config.json", lambda text: text[:-20]),
        ("model.weights.h5", lambda text: b""),
        ("model.weights.h5", lambda text: text[:3000]),
    ],
)
def test_a_damaged_file_is_refused_by_name(file: Path, tmp_path: Path, member: str, change: Any) -> None:
    path = damage(file, tmp_path, member, change(zipfile.ZipFile(file).read(member)))
    with pytest.raises(MTLError, match=rf"Received: {path}") as refused:
        load_model(path)
    assert "\n" not in str(refused.value)


def test_another_state_of_the_weighting_is_noticed(file: Path, tmp_path: Path) -> None:
    text = zipfile.ZipFile(file).read("mtl_keras.json")
    assert b"0.5" in text
    path = damage(file, tmp_path, "mtl_keras.json", text.replace(b"0.5", b"0.75", 1))
    with pytest.raises(MTLError, match="it was changed after it was written"):
        load_model(path)


@pytest.mark.parametrize("room", [0, 2000, 40_000])
def test_a_full_disk_leaves_nothing(model: MultiTaskModel, file: Path, tmp_path: Path, room: int) -> None:
    with full_after(min(room, file.stat().st_size - 100)), pytest.raises(MTLError, match="File too large") as info:
        model.save(tmp_path / "new" / MODEL)
    assert "\n" not in str(info.value)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_failure_keeps_the_file_before(
    model: MultiTaskModel, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / MODEL).write_bytes(file.read_bytes())

    def refuse(source: Any, target: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(MTLError, match=r"No space left on device"):
            model.save(tmp_path / MODEL)
    assert [path.name for path in tmp_path.iterdir()] == [MODEL]
    assert (tmp_path / MODEL).read_bytes() == file.read_bytes()


# Folders of earlier versions


def former(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe as earlier versions wrote it."""
    shared = {name: value for name, value in recipe["shared"].items() if name != "method"}
    heads = {"shared": shared, **recipe["heads"]}
    for head in heads.values():
        head["tap"] = head.pop("pooling")
    return {**recipe, "shared": shared}


def test_a_folder_of_an_earlier_version_is_read(model: MultiTaskModel, tmp_path: Path) -> None:
    model.plain().save(tmp_path / MODEL)
    with h5py.File(tmp_path / "state.weights.h5", "w") as state:
        for name, value in STATE.items():
            state.create_dataset(name, data=value)
    stored = {"recipe": former(json.loads(json.dumps(model.recipe.config()))), "class_names": {"kind": ["a", "b", "c"]}}
    (tmp_path / "tasks.json").write_text(json.dumps(stored), encoding="utf-8")
    loaded = load_model(tmp_path)
    assert_equal(loaded, model)
    assert loaded.class_names == NAMES
    np.testing.assert_array_equal(loaded.weighting_state["weights"], STATE["weights"])
    assert loaded.layers_by_name("shared") != []
    loaded.save(tmp_path / "new" / MODEL)
    assert_equal(load_model(tmp_path / "new"), model)


def test_a_damaged_folder_of_an_earlier_version_is_refused(model: MultiTaskModel, tmp_path: Path) -> None:
    model.plain().save(tmp_path / MODEL)
    (tmp_path / "tasks.json").write_text("{", encoding="utf-8")
    with pytest.raises(MTLError, match=r"tasks\.json, line 1: "):
        load_model(tmp_path)
    recipe = former(json.loads(json.dumps(model.recipe.config())))
    (tmp_path / "tasks.json").write_text(json.dumps({"recipe": recipe}), encoding="utf-8")
    with h5py.File(tmp_path / "other.h5", "w") as other, h5py.File(tmp_path / "state.weights.h5", "w") as state:
        other["weights"] = STATE["weights"]
        state["weights"] = h5py.ExternalLink("other.h5", "/weights")
    with pytest.raises(MTLError, match=r"state\.weights\.h5: /weights is a link to another place"):
        load_model(tmp_path)


def test_domain_batch_norm_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """Its layers had other names, by which Keras finds the weights in a file."""
    from mtl_keras import normalization

    model = _tiny.model(
        _tiny.TASKS.only("kind", "odd"),
        _tiny.BACKBONE.replace(batch_norm="train"),
        batch_norm_groups=(("kind",), ("odd",)),
    )
    classes = {"DomainBatchNormalization": "BatchNormalizationPerDataSet", "RepeatForDomains": "Copies", "SelectDomain": "Part"}
    registered = keras.saving.get_registered_object

    def rename(layer: Any) -> Any:
        name = classes.get(type(layer).__name__)
        kind = registered(f"mtl_keras>{name}") if name else type(layer)
        return kind.from_config(layer.get_config())

    old = keras.models.clone_model(model, clone_function=rename, recursive=True)
    old.set_weights(model.get_weights())
    old.save(tmp_path / MODEL)
    text = zipfile.ZipFile(tmp_path / MODEL).read("config.json").decode()
    assert all(f"mtl_keras>{name}" in text for name in classes.values())
    recipe = former(json.loads(json.dumps(model.recipe.config())))
    recipe["statistics"] = recipe.pop("batch_norm_groups")
    (tmp_path / "tasks.json").write_text(json.dumps({"recipe": recipe}), encoding="utf-8")
    loaded = load_model(tmp_path)
    assert loaded.recipe == model.recipe
    assert isinstance(loaded.get_layer("backbone").get_layer("conv1_bn"), normalization.DomainBatchNormalization)
    images = _tiny.rows(4, 3)[0]
    for task, output in model(images).items():
        np.testing.assert_array_equal(loaded(images)[task], output)

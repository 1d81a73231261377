"""Digests of data: equal for equal arrays, and naming what differs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtl_keras.data import Data, Split, _digest, cache
from mtl_keras.data._digest import describe_change
from mtl_keras.errors import MTLError
from tests import _tiny


def test_equal_data_has_equal_digests_and_keeps_them_with_fewer_tasks() -> None:
    made, again = _tiny.data(), _tiny.data()
    assert made.digests() == again.digests()
    again.check_digests(json.loads(json.dumps(made.digests())), "run")
    own = made.only("odd").digests()["train"]
    assert own.items() < made.digests()["train"].items()
    assert set(own) == {"inputs", "labels of task 'odd'", "label weights of task 'odd'"}


def test_a_digest_covers_type_shape_and_every_byte() -> None:
    x = np.arange(6, dtype=np.uint8).reshape(2, 3)
    # By hand: of type, shape, and the digest of all bytes.
    parts = ["uint8", [2, 3], [hashlib.blake2b(bytes(range(6)), digest_size=16).hexdigest()]]
    text = json.dumps(parts, separators=(",", ":")).encode()
    assert _digest.digest_array(x) == hashlib.blake2b(text, digest_size=16).hexdigest()
    assert len({_digest.digest_array(each) for each in (x, x.T, x.reshape(3, 2), x.astype(np.int8), x + 1)}) == 5


def test_a_large_array_is_read_in_full() -> None:
    """A byte anywhere counts; where the array lies in memory, in which order and in which process, does not."""
    size = 3 * 2**22 + 4097
    x = np.random.default_rng(0).integers(0, 256, size).astype(np.uint8)
    digest = _digest.digest_array(x)
    assert digest == "13dc5bd008481bc38a5fe16e4bfa38bf", "as in every process"
    assert _digest.digest_array(np.concatenate([x[:1], x])[1:]) == digest
    assert _digest.digest_array(np.repeat(x, 2)[::2]) == digest
    for place in (0, 2**12, 2**22 - 1, 2**22, 3 * 2**22 - 1, 3 * 2**22, size - 1, *range(7, size, size // 7)):
        other = x.copy()
        other[place] ^= 1
        assert _digest.digest_array(other) != digest, place
    assert len({_digest.digest_array(each) for each in (x, x.view(np.int8), x[None], x[:-1])}) == 4


def changed(split: Split, what: str, name: str) -> Split:
    """Return a split of which one number of one array is another."""
    arrays = split.arrays()
    other = arrays[what, name].copy()
    other.flat[-1] = other.flat[-1] == 0
    return split.with_arrays({**arrays, (what, name): other})


@pytest.mark.parametrize(
    ("split", "what", "name", "said"),
    [
        ("train", "y", "kind", "labels of task 'kind' in the training split"),
        ("validation", "y", "odd", "labels of task 'odd' in the validation split"),
        ("train", "weight", "odd", "label weights of task 'odd' in the training split"),
        ("test", "x", "", "inputs in the test split"),
    ],
)
def test_what_differs_is_named(split: str, what: str, name: str, said: str) -> None:
    data = replace(_tiny.data(), test=_tiny.data(10, 12).validation)
    other: dict[str, Any] = {split: changed(getattr(data, split), what, name)}
    with pytest.raises(
        MTLError, match=rf"the data that it was started with. Received: other {said} than runs/1 was"
    ) as refused:
        replace(data, **other).check_digests(data.digests(), "runs/1")
    assert "\n" not in str(refused.value)


def test_other_splits_differ() -> None:
    data = _tiny.data()
    swapped = replace(data, train=data.validation, validation=data.train)
    assert describe_change(data.digests(), swapped.digests()) == "inputs in the training split and 13 more"
    assert (
        describe_change(data.digests(), replace(data, test=data.validation).digests()) == "rows in the test split (before none)"
    )
    assert describe_change(replace(data, test=data.validation).digests(), data.digests()) == "rows in the test split (now none)"


def test_a_mapped_file_is_known_by_size_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.arange(36 * 64, dtype=np.float32).reshape(36, 8, 8, 1))
    data = _tiny.data()

    def mapped(start: int = 0, stop: int = 36) -> Data:
        rows = replace(data.train, x=np.load(path, mmap_mode="r")).take(slice(start, stop))
        return replace(data, train=rows)

    before, part = mapped().digests(), mapped(0, 18).digests()
    real = _digest.digest_array

    def in_memory_only(array: np.ndarray) -> str:
        assert not isinstance(array, np.memmap), "a mapped file is not read"
        return real(array)

    monkeypatch.setattr(_digest, "digest_array", in_memory_only)
    mapped().check_digests(before, "run")
    assert mapped(18, 36).digests()["train"]["inputs"] != part["train"]["inputs"]
    stored = np.load(path)
    stored[0] = 7
    np.save(path, stored)
    with pytest.raises(MTLError, match=r"other inputs in the training split than run was"):
        mapped().check_digests(before, "run")


def test_a_mapped_array_whose_file_does_not_have_its_content_is_read(tmp_path: Path) -> None:
    path, data = tmp_path / "x.npy", _tiny.data()
    np.save(path, data.train.x)

    def mapped() -> Data:
        return replace(data, train=replace(data.train, x=np.load(path, mmap_mode="c")))

    changed = mapped()
    changed.train.x[0] += 1
    mapped().check_digests(data.digests(), "run")
    with pytest.raises(MTLError, match=r"other inputs in the training split than run was"):
        changed.check_digests(data.digests(), "run")
    removed = replace(data, train=replace(data.train, x=np.load(path, mmap_mode="r")))
    path.unlink()
    removed.check_digests(data.digests(), "run")


def test_features_are_known_by_their_images(tmp_path: Path) -> None:
    data, model = _tiny.data(), _tiny.model(freeze=True)
    features = data.featurize(model.trunk, model.fingerprint(), tmp_path)
    assert features.train.x.shape != data.train.x.shape
    features.check_digests(data.digests(), "run")


def test_images_are_read_once_for_their_features_and_their_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, model = _tiny.data(), _tiny.model(freeze=True)
    images, read = (data.train.x, data.validation.x), []
    real = _digest.digest_array

    def counted(array: np.ndarray) -> str:
        read.append(any(np.shares_memory(array, each) for each in images))
        return real(array)

    for module in (_digest, cache):
        monkeypatch.setattr(module, "digest_array", counted)
    data.featurize(model.trunk, model.fingerprint(), tmp_path).digests()
    assert sum(read) == 2
    (tmp_path / "other").mkdir()
    for split in (data.train, data.validation):
        cache.features(model.trunk, split.x, model.fingerprint(), tmp_path / "other")
    assert {each.key for each in cache.entries(tmp_path)} == {each.key for each in cache.entries(tmp_path / "other")}

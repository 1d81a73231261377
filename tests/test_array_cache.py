"""Values kept under the identity of arrays."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtl_keras.data import from_arrays
from mtl_keras.data._array_cache import ArrayCache
from mtl_keras.errors import MTLError
from mtl_keras.tasks import Binary, Tasks
from mtl_keras.training import Phase, train
from tests import _tiny


def test_a_value_is_found_by_kind_and_identity() -> None:
    cache, one, other = ArrayCache(), np.zeros(3), np.zeros(3)
    assert cache.keep("sum", [one, other], 5) == 5
    assert cache.find("sum", [one, other]) == 5
    for kind, arrays in (("mean", [one, other]), ("sum", [other, one]), ("sum", [one]), ("sum", [one, one])):
        assert cache.find(kind, arrays) is None


def test_a_value_is_dropped_with_the_first_of_its_arrays() -> None:
    cache, one = ArrayCache(), np.zeros(3)
    for _ in range(3):
        other = np.zeros(3)
        assert cache.find("pair", [one, other]) is None, "another array at the same address"
        cache.keep("pair", [one, other], 1)
        assert len(cache) == 1
    del other
    assert len(cache) == 0
    cache.keep("alone", [one], 2)
    assert cache.find("alone", [one]) == 2


def test_a_copy_is_empty_and_arrays_outlive_their_cache() -> None:
    cache, array = ArrayCache(), np.zeros(3)
    cache.keep("sum", [array], 0)
    assert len(copy.deepcopy(cache)) == len(pickle.loads(pickle.dumps(cache))) == 0
    del cache
    del array


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(5),
        np.zeros((300, 40, 3), np.uint8),
        np.zeros((300, 40, 3), np.uint8)[::2],
        np.asfortranarray(np.zeros((300, 40))),
        np.zeros((70_001, 1), bool),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_an_array_that_was_changed_is_noticed(array: np.ndarray) -> None:
    cache = ArrayCache()
    cache.keep("sum", [array], 0)
    assert cache.find("sum", [array]) == 0
    array += True
    with pytest.raises(MTLError, match=r"must not be changed. Received: an array of shape \[.*\] and type .* Create the data"):
        cache.find("sum", [array])
    array[:] = 0
    assert cache.find("sum", [array]) == 0, "as it was"


def test_mapped_arrays_are_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(4))
    cache, array = ArrayCache(), np.load(tmp_path / "x.npy", mmap_mode="r+")
    cache.keep("sum", [array], 0)
    array += 1
    assert cache.find("sum", [array]) == 0


@pytest.mark.parametrize("options", [{}, {"freeze": True}], ids=["trained", "frozen"])
def test_images_that_were_changed_in_place_are_not_used_as_they_were(options: dict[str, Any], tmp_path: Path) -> None:
    tasks, (images, columns) = Tasks(Binary("odd")), _tiny.rows(64, 0)
    data, phase, kept = from_arrays(tasks, (images, columns), _tiny.rows(20, 1)), Phase(epochs=1), images.copy()
    model = _tiny.model(tasks, **options)

    def run(**more: Any) -> None:
        train(model, data, phase, cache_dir=tmp_path / "cache", **more)

    run(output_dir=tmp_path / "run")
    images[:] = 255 - images
    for use in (
        run,
        lambda: run(output_dir=tmp_path / "run"),
        data.digests,
    ):
        with pytest.raises(MTLError, match=r"not copied and must not be changed. Received: an array of shape \[64, 8, 8, 1\]"):
            use()
    images[:] = kept
    run(output_dir=tmp_path / "run")

"""Values kept under the identity of arrays."""

from __future__ import annotations

import copy
import pickle

import numpy as np

from mtl_keras.data._array_cache import ArrayCache


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

"""`alternate`: the data set of each step, the rows of each epoch, and what is refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from mtl_keras.data import Data, alternate, from_arrays
from mtl_keras.errors import MTLError
from mtl_keras.tasks import Binary, Classification, Reconstruction, Tasks
from tests import _pair, _tiny

SAMPLINGS: list[Any] = [
    "coin",
    "round_robin",
    "proportional",
    {"method": "proportional", "exponent": 0.5},
    "annealed",
    {"method": "fixed", "ratios": {"long": 1, "short": 3}},
]


def counts(data: Data, epochs: int = 400, batch_size: int = 8) -> np.ndarray:
    """`[epochs, 2]` steps of each data set."""
    return np.array([list(counted.values()) for counted in data.train.steps_per_dataset(batch_size, seed=0, epochs=epochs)])


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_each_batch_comes_from_one_data_set_and_has_every_task(sampling: Any) -> None:
    data = _pair.both(sampling=sampling)
    batches = list(data.train.batches(8, seed=3, epochs=3))
    assert len(batches) == 3 * data.train.steps(8) == int(data.train.batches(8, seed=3, epochs=3).cardinality())
    for _, y, weight in batches:
        assert set(y) == set(weight) == {"kind", "odd"}
        assert sum(bool(np.any(w)) for w in weight.values()) == 1


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_steps_are_counted_correctly(sampling: Any) -> None:
    data = _pair.both(sampling=sampling)
    names = [name for name, _ in _pair.rows_of(data, seed=3, epochs=3)]
    each = len(names) // 3
    assert [dict(Counter(names[i : i + each])) for i in range(0, 3 * each, each)] == [
        {name: count for name, count in counted.items() if count}
        for counted in data.train.steps_per_dataset(8, seed=3, epochs=3)
    ]


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_every_data_set_has_complete_passes_across_epochs(sampling: Any) -> None:
    """The larger one continues where it stopped, the smaller one is reshuffled after its last row."""
    data = _pair.both(sampling=sampling)
    seen = _pair.rows_of(data, seed=3, epochs=12)
    for name, start, n in (("long", 0, 40), ("short", 40, 12)):
        rows = [row for other, own in seen if other == name for row in own]
        passes = [rows[i : i + n] for i in range(0, len(rows) - n + 1, n)]
        assert len(passes) > 2
        assert all(sorted(one) == list(range(start, start + n)) for one in passes)
        assert passes[0] != passes[1]


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_a_resumed_training_sees_what_it_would_have_seen(sampling: Any) -> None:
    data = _pair.both(sampling=sampling)
    whole = _pair.rows_of(data, seed=3, epochs=5)
    assert _pair.rows_of(data, seed=3, epochs=5, first_epoch=2) == whole[2 * len(whole) // 5 :]


def test_batches_of_a_data_set_are_those_that_it_has_alone() -> None:
    """Pass k is epoch k of a training on it alone, including online augmentation and the last batch."""
    changed = ("flip_lr", {"method": "crop", "pad": 2})
    data = _pair.both(sampling="round_robin").augment(changed, mode="online")
    own = [(x, y["odd"]) for x, y, w in data.train.batches(8, seed=3, epochs=4, at_least=6) if np.any(w["odd"])]
    alone = _pair.short().augment(changed, mode="online")
    for (x, y), (other_x, other_y, _) in zip(own, alone.train.batches(8, seed=3, epochs=7, at_least=6), strict=True):
        np.testing.assert_array_equal(x, other_x)
        np.testing.assert_array_equal(y, other_y["odd"])


def test_a_last_batch_is_filled_up_with_rows_of_its_own_data_set() -> None:
    """40 and 12 rows in batches of 8: the second of `short` has 4, and 2 of weight 0 where 6 are asked for."""
    data = _pair.both(sampling="round_robin")
    sizes = [
        (len(x), int(np.sum(w["odd"] > 0)))
        for x, _, w in data.train.batches(8, seed=0, epochs=2, at_least=6)
        if np.any(w["odd"])
    ]
    assert set(sizes) == {(8, 8), (6, 4)}
    dummies = {image.tobytes() for image in _pair.short().train.x}
    assert all(
        image.tobytes() in dummies
        for x, _, w in data.train.batches(8, seed=0, at_least=6)
        if np.any(w["odd"])
        for image in np.array(x)
    )


def test_coins_are_fair_and_independent() -> None:
    data = _pair.both()
    assert data.train.steps(8) == 5, "as many as the longer one has batches"
    share = counts(data)[:, 1] / 5
    assert share.mean() == pytest.approx(0.5, abs=0.04)
    assert len(set(share)) >= 5
    # With iterations (none, one, the other, both) two thirds of the steps follow a step of the other data set; with
    # independent steps it would be half.
    names = [name for name, _ in _pair.rows_of(_pair.both(), seed=0, epochs=80)]
    assert np.mean([one != other for one, other in pairwise(names)]) == pytest.approx(2 / 3, abs=0.07)


def test_an_iteration_may_have_steps_of_both_or_none() -> None:
    """Pairs (long, short) begin an iteration of both; two of one set in a row need an iteration without the other."""
    names = [name for name, _ in _pair.rows_of(_pair.both(), seed=1, epochs=20)]
    pairs = set(pairwise(names))
    assert pairs == {("long", "long"), ("long", "short"), ("short", "long"), ("short", "short")}


def test_round_robin_continues_across_epochs() -> None:
    names = [name for name, _ in _pair.rows_of(_pair.both(sampling="round_robin"), seed=0, epochs=3)]
    assert names == ["long", "short"] * 10 + ["long"]


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ("proportional", 12 / 52),
        ({"method": "proportional", "exponent": 0.5}, 12**0.5 / (12**0.5 + 40**0.5)),
        ({"method": "proportional", "exponent": 0}, 0.5),
        ({"method": "fixed", "ratios": {"short": 3, "long": 1}}, 0.75),
        ({"method": "fixed", "ratios": {"short": 1, "long": 0}}, 1.0),
    ],
    ids=str,
)
def test_sampled_shares_are_those_of_the_options(sampling: Any, expected: float) -> None:
    counted = counts(_pair.both(sampling=sampling))
    assert counted.sum(1).tolist() == [7] * 400, "as many as both have batches"
    assert counted[:, 1].mean() / 7 == pytest.approx(expected, abs=0.03)


def test_an_annealed_share_goes_from_that_of_the_rows_to_its_end() -> None:
    schedules = [
        _pair.both(sampling={"method": "annealed", "end": 0.0}, seed=seed).train.steps_per_dataset(8, seed=0, epochs=5)
        for seed in range(300)
    ]
    share = np.array([[counted["short"] / 7 for counted in epochs] for epochs in schedules]).mean(0)
    expected = [12**a / (12**a + 40**a) for a in (1, 0.75, 0.5, 0.25, 0)]
    np.testing.assert_allclose(share, expected, atol=0.04)
    one = _pair.both(sampling="annealed").train.steps_per_dataset(8, seed=0, epochs=1)
    assert sum(one[0].values()) == 7


@pytest.mark.parametrize("sampling", ["coin", "round_robin"])
@pytest.mark.parametrize(
    ("steps", "expected"), [({"long": 5, "short": 5}, [5, 5]), ({"short": 1, "long": 4}, [4, 1]), ("single-task", [5, 2])]
)
def test_prescribed_steps_are_those_of_every_epoch(sampling: str, steps: Any, expected: list[int]) -> None:
    data = _pair.both(sampling=sampling, steps=steps)
    assert counts(data, 6).tolist() == [expected] * 6
    assert data.train.steps(8) == sum(expected)
    names = [name for name, _ in _pair.rows_of(data, seed=0, epochs=2)]
    if sampling == "round_robin" and steps == {"long": 5, "short": 5}:
        assert names == ["long", "short"] * 10
    if sampling == "coin":
        assert names[: len(names) // 2] != names[len(names) // 2 :], "each epoch has an order of its own"


def test_the_schedule_is_a_function_of_both_seeds_and_the_epoch() -> None:
    def schedule(own: int, seed: int) -> list[str]:
        return [name for name, _ in _pair.rows_of(_pair.both(seed=own), seed=seed, epochs=3)]

    assert schedule(0, 0) == schedule(0, 0)
    assert len({tuple(schedule(own, seed)) for own in (0, 1) for seed in (0, 1)}) == 4
    counted = _pair.both().train.steps_per_dataset(8, seed=0, epochs=2)
    assert _pair.both().train.steps_per_dataset(8, seed=0, epochs=9)[:2] == counted, "whatever the number of epochs"


def test_validation_and_test_hold_each_data_sets_own_rows() -> None:
    one = _pair.long(test=_tiny.rows(5, 7))
    other = _pair.short(test=_tiny.rows(3, 8))
    data = alternate(one, other)
    assert data.test is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (52, 28, 8)
    for split, parts in ((data.validation, (one.validation, other.validation)), (data.test, (one.test, other.test))):
        np.testing.assert_array_equal(split.x, np.concatenate([part.x for part in parts if part]))
    np.testing.assert_array_equal(data.test.weight["kind"], [1] * 5 + [0] * 3)
    np.testing.assert_array_equal(data.test.y["odd"][5:], other.test.y["odd"] if other.test else [])
    assert data.name == "long+short"
    # In order and once, as an evaluation has them.
    assert [len(x) for x, _, _ in data.validation.batches(16)] == [16, 12]


def test_the_tasks_of_one_data_set_give_that_data_set() -> None:
    """A single-task baseline is trained on its own rows alone, and shares their arrays and cached features."""
    data = _pair.both()
    for name, alone in (("kind", _pair.long()), ("odd", _pair.short())):
        baseline = data.only(name)
        assert (baseline.train.sampling, baseline.train.origin) == (None, None)
        np.testing.assert_array_equal(baseline.train.x, alone.train.x)
        assert np.shares_memory(baseline.train.x, data.train.x)
        np.testing.assert_array_equal(baseline.validation.y[name], alone.validation.y[name])
        assert baseline.train.complete
    assert data.only("odd", "kind").train.sampling == data.train.sampling


def test_two_of_three_stay_alternated() -> None:
    third = from_arrays(Tasks(Binary("third", label="odd")), _tiny.rows(9, 5), _tiny.rows(4, 6), name="third")
    ratios = {"long": 1, "third": 2, "short": 4}
    data = alternate(_pair.long(), third, _pair.short(), sampling={"method": "fixed", "ratios": ratios})
    part = data.only("odd", "kind")
    assert part.train.origin is not None
    assert np.bincount(part.train.origin).tolist() == [40, 12]
    assert part.train.sampling is not None
    assert part.train.sampling.config()["ratios"] == {"long": 1, "short": 4}
    assert counts(part)[:, 1].mean() / part.train.steps(8) == pytest.approx(0.8, abs=0.03)
    assert alternate(_pair.long(), third, _pair.short()).train.steps(8) == 8, "three coins, five batches of the longest"


def test_a_subset_has_rows_of_both() -> None:
    part = _pair.both().subset(26)
    assert part.train.origin is not None
    long, short = np.bincount(part.train.origin)
    assert (long + short, abs(short - 6) <= 1) == (26, True)
    assert len(_pair.rows_of(part, seed=0)) == part.train.steps(8) == 3


def test_views_are_those_that_each_data_set_has_alone() -> None:
    views = ("identity", ("flip_lr", "crop"))
    data = _pair.both().augment(views, mode="views", seed=4)
    alone = _pair.short().augment(views, mode="views", seed=4)
    np.testing.assert_array_equal(data.train.x[40:], alone.train.x)
    before = alternate(_pair.long().augment(views, mode="views", seed=4), alone)
    np.testing.assert_array_equal(before.train.x, data.train.x)
    larger = _pair.both().augment(views, mode="repeat")
    assert larger.train.origin is not None
    assert np.bincount(larger.train.origin).tolist() == [80, 24]
    joined = alternate(_pair.long().augment(views, mode="repeat"), _pair.short())
    assert joined.train.group is not None
    assert len(set(joined.train.group)) == 52, "no image is counted for a view of another data set's"


def test_a_reconstructed_input_is_held_once() -> None:
    tasks = Tasks(Classification("kind", classes=3), Reconstruction("image"))
    data = alternate(from_arrays(tasks, _tiny.rows(6, 0), _tiny.rows(4, 1), name="long"), _pair.short())
    assert data.train.y["image"] is data.train.x
    assert data.train.weight["image"].tolist() == [1] * 6 + [0] * 12
    assert data.only("odd").train.y.keys() == {"odd"}


def test_images_are_resized() -> None:
    images = np.full((6, 16, 12, 1), 100, np.uint8)
    columns = {"odd": np.arange(6) % 2}
    large = from_arrays(Tasks(Binary("odd")), (images, columns), (images, columns), name="large")
    for image_size, shape in ((8, (8, 8, 1)), ((4, 6), (4, 6, 1))):
        data = alternate(_pair.long(), large, image_size=image_size)
        assert data.image_shape == shape == data.train.x.shape[1:] == data.validation.x.shape[1:]
        assert data.train.x.dtype == np.uint8
        assert (data.train.x[40:] == 100).all()
    with pytest.raises(MTLError, match=r"8 x 8 x 1 in 'long' and 16 x 12 x 1 in 'large'. Pass image_size="):
        alternate(_pair.long(), large)
    with pytest.raises(MTLError, match=r"`image_size` must be an integer in \[1, 16384\]. Received: image_size=0"):
        alternate(_pair.long(), large, image_size=0)


def test_absent_labels_stay_absent() -> None:
    images, columns = _tiny.rows(12, 2)
    columns["odd"][3] = np.nan
    other = from_arrays(_pair.TASKS.only("odd"), (images, columns), _tiny.rows(4, 3), name="short")
    weight = alternate(_pair.long(), other).train.weight["odd"]
    assert np.flatnonzero(weight).tolist() == [40 + row for row in range(12) if row != 3]


def unlabeled() -> Data:
    images, columns = _tiny.rows(12, 2)
    return from_arrays(_pair.TASKS.only("odd"), (images, {"odd": columns["odd"] * np.nan}), _tiny.rows(4, 3), name="empty")


@pytest.mark.parametrize(
    ("sets", "options", "says"),
    [
        ([_pair.long], {}, "must receive at least two data sets. Received: long."),
        ([], {}, "at least two data sets. Received: none"),
        ([_pair.long, _pair.long], {}, "Received twice: 'long'"),
        ([_pair.long, lambda: replace(_pair.long(), name="other")], {}, "'kind' in both 'long' and 'other'"),
        ([_pair.long, unlabeled], {}, "'empty' without any label in its 12 training rows"),
        ([_pair.long, lambda: _pair.both()], {}, "'long\\+short', which consists of several"),
        ([_pair.long, lambda: _pair.short(test=_tiny.rows(3, 8))], {}, "none for long"),
        (
            [_pair.long, lambda: _pair.short().augment("flip_lr", mode="online")],
            {},
            "online augmentation that differ in 'long' and 'short'",
        ),
        ([_pair.long, lambda: _pair.short().augment(["identity"], mode="views")], {}, "numbers of views that differ"),
        ([_pair.long, _pair.short], {"sampling": "coins"}, "Unknown sampling: received 'coins'. Did you mean 'coin'"),
        (
            [_pair.long, _pair.short],
            {"sampling": 3},
            "The sampling must be a name or a mapping with the entry 'method'. Received: 3",
        ),
        (
            [_pair.long, _pair.short],
            {"sampling": {"method": "coin", "bias": 1}},
            "The sampling 'coin' has no options. Received: bias=1",
        ),
        (
            [_pair.long, _pair.short],
            {"sampling": {"method": "proportional", "exponent": 2}},
            "`exponent` of sampling 'proportional' must be a number in \\[0, 1\\]. Received: exponent=2",
        ),
        ([_pair.long, _pair.short], {"sampling": {"method": "annealed", "end": -1}}, "Received: end=-1"),
        ([_pair.long, _pair.short], {"sampling": "fixed"}, "The sampling 'fixed' must have the option 'ratios'"),
        (
            [_pair.long, _pair.short],
            {"sampling": {"method": "fixed", "ratios": {"long": -1, "short": 2}}},
            "must be a number in \\[0, 1e\\+09\\]. Received: ratios\\['long'\\]=-1",
        ),
        (
            [_pair.long, _pair.short],
            {"sampling": {"method": "fixed", "ratios": {"long": 0, "short": 0}}},
            "must not all be 0. Received: ratios={'long': 0, 'short': 0}",
        ),
        (
            [_pair.long, _pair.short],
            {"sampling": {"method": "fixed", "ratios": {"long": 1, "shrt": 1}}},
            "data set in `ratios`: received 'shrt'. Did you mean 'short'",
        ),
        ([_pair.long, _pair.short], {"sampling": {"method": "fixed", "ratios": {"long": 1}}}, "without 'short'"),
        ([_pair.long, _pair.short], {"steps": {"long": 5}}, "`steps` must have a number for each.*without 'short'"),
        (
            [_pair.long, _pair.short],
            {"steps": {"long": 5, "short": 0}},
            "must be an integer in \\[1, 10000000\\]. Received: steps\\['short'\\]=0",
        ),
        ([_pair.long, _pair.short], {"steps": "singl-task"}, "Received: steps='singl-task'"),
        (
            [_pair.long, _pair.short],
            {"sampling": "proportional", "steps": "single-task"},
            "must not be given with a sampling that samples them",
        ),
        ([_pair.long, _pair.short], {"seed": -1}, "Received: seed=-1"),
    ],
)
def test_invalid_data_sets_and_options_are_refused(sets: list[Any], options: dict[str, Any], says: str) -> None:
    with pytest.raises(MTLError, match=says) as raised:
        alternate(*(make() for make in sets), **options)
    assert "\n" not in str(raised.value)


def test_a_data_set_without_rows_is_named() -> None:
    data = _pair.both()
    part = replace(data, train=data.train.take(np.arange(40)))
    with pytest.raises(MTLError, match=r"none of 'short' in the 40 rows of the train split"):
        part.train.batches(8, seed=0)

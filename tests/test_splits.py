"""How rows are divided: every rule of `mtl.data.Splits` for any table, and what is refused."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_keras.data import Splits, parse_splits
from mtl_keras.errors import MTLError

SIDES = ("train", "validation", "test")
FRACTIONS = st.floats(0.05, 0.4)
SEEDS = st.integers(0, 2**31 - 2)


def count(sides: np.ndarray) -> list[int]:
    return [int((sides == side).sum()) for side in SIDES]


def codes(draw: st.DrawFn, n: int, most: int) -> np.ndarray:
    # Skewed on purpose: some values are common, some occur once.
    return np.minimum(np.array(draw(st.lists(st.integers(0, 40), min_size=n, max_size=n))), most)


@st.composite
def tables(draw: st.DrawFn, least: int = 12) -> pd.DataFrame:
    n = draw(st.integers(least, 100))
    columns = {"kind": codes(draw, n, draw(st.integers(0, 9))), "city": codes(draw, n, draw(st.integers(0, 3)))}
    return pd.DataFrame({**columns, "patient": codes(draw, n, 40), "day": codes(draw, n, 40)})


@settings(deadline=None)
@given(tables(), FRACTIONS, FRACTIONS, SEEDS)
def test_rows_drawn_one_by_one(table: pd.DataFrame, validation: float, test: float, seed: int) -> None:
    splits, n = Splits(validation=validation, test=test), len(table)
    sides = splits.assign(table, [table["kind"].to_numpy()], seed)
    held_out = [max(round(n * share), 1) for share in (validation, test)]
    assert count(sides) == [n - sum(held_out), *held_out]
    np.testing.assert_array_equal(sides, splits.assign(table, [table["kind"].to_numpy()], seed))
    # Test rows are held out of all of them: every class that is large enough keeps its share.
    sizes, share = np.bincount(table["kind"]), held_out[1] / n
    taken = np.bincount(table["kind"][sides == "test"], minlength=len(sizes))
    assert (np.abs(taken - sizes * share)[sizes * min(share, 1 - share) >= 1] < 1 - 1e-6).all()


@settings(deadline=None)
@given(tables(), FRACTIONS, FRACTIONS, SEEDS)
def test_groups_stay_whole(table: pd.DataFrame, validation: float, test: float, seed: int) -> None:
    splits, n = Splits(validation=validation, test=test, group="patient"), len(table)
    if table["patient"].nunique() < 3:
        with pytest.raises(MTLError, match=r"groups in column 'patient' for train, test, validation\. Hold out"):
            splits.assign(table, [], seed)
        return
    sides = splits.assign(table, [table["kind"].to_numpy()], seed)
    assert (table.assign(side=sides).groupby("patient")["side"].nunique() == 1).all()
    counts, held_out = count(sides), [max(round(n * share), 1) for share in (validation, test)]
    largest = table["patient"].value_counts().max()
    assert min(counts) > 0
    for found, wanted in zip(counts, [n - sum(held_out), *held_out], strict=True):
        # A part gets no further group once it is full; only the last groups may have to fill empty parts.
        assert -2 * largest < found - wanted < largest + 2
    np.testing.assert_array_equal(sides, splits.assign(table, [table["kind"].to_numpy()], seed))


@settings(deadline=None)
@given(tables(), FRACTIONS, FRACTIONS, SEEDS)
def test_time_is_in_order(table: pd.DataFrame, validation: float, test: float, seed: int) -> None:
    splits, n = Splits(validation=validation, test=test, time="day"), len(table)
    if table["day"].nunique() < 3:
        with pytest.raises(MTLError, match=r"different values in column 'day' for train, test, validation\. Hold out"):
            splits.assign(table, [], seed)
        return
    sides = splits.assign(table, [table["kind"].to_numpy()], seed)
    days = [table["day"][sides == side] for side in SIDES]
    assert days[0].max() < days[1].min() <= days[1].max() < days[2].min()
    # Nothing is shuffled, and the order of rows does not matter.
    np.testing.assert_array_equal(sides, splits.assign(table, [], seed + 1))
    order = np.random.default_rng(seed).permutation(n)
    np.testing.assert_array_equal(sides[order], splits.assign(table.iloc[order], [], seed))


def test_a_time_without_ties_meets_the_fractions() -> None:
    table = pd.DataFrame({"day": np.arange(40)[::-1]})
    sides = Splits(validation=0.25, test=0.1, time="day").assign(table)
    assert sides.tolist() == ["test"] * 4 + ["validation"] * 10 + ["train"] * 26


@settings(deadline=None)
@given(tables(), st.integers(2, 6), SEEDS, st.sampled_from([None, "patient"]))
def test_folds_are_a_partition(table: pd.DataFrame, folds: int, seed: int, group: str | None) -> None:
    kind = [table["kind"].to_numpy()]
    if group and table["patient"].nunique() < folds + 2:
        return
    found = [Splits(group=group, folds=folds, fold=fold).assign(table, kind, seed) for fold in range(folds)]
    tested = np.stack([sides == "test" for sides in found])
    np.testing.assert_array_equal(tested.sum(axis=0), 1)
    for sides in found:
        assert min(count(sides)) > 0
        if group:
            assert (table.assign(side=sides).groupby("patient")["side"].nunique() == 1).all()
    if not group:
        assert np.ptp(tested.sum(axis=1)) <= 1
        assert {count(sides)[1] for sides in found} == {max(round(len(table) * 0.1), 1)}


def test_folds_of_another_seed_are_another_division() -> None:
    table = pd.DataFrame({"kind": np.arange(60) % 3, "patient": np.arange(60) // 2})
    for group in (None, "patient"):
        splits = Splits(folds=5, group=group)
        assert len({splits.assign(table, [], seed).tobytes() for seed in range(5)}) == 5


def test_groups_keep_the_proportions_of_classes() -> None:
    """A tenth of the patients is sick: a division by rows alone would often leave a split without any of them."""
    patients = np.arange(100)
    table = pd.DataFrame({"patient": np.repeat(patients, 3), "sick": np.repeat(patients % 10 == 0, 3).astype(int)})
    for seed in range(20):
        sides = Splits(validation=0.2, test=0.2, group="patient").assign(table, [table["sick"].to_numpy()], seed)
        assert count(sides) == [180, 60, 60]
        assert table["sick"].groupby(sides).sum().to_dict() == {"train": 18, "validation": 6, "test": 6}


def test_one_large_group_is_trained_on() -> None:
    table = pd.DataFrame({"patient": ["big"] * 60 + [f"p{row // 2}" for row in range(40)]})
    for seed in range(5):
        sides = Splits(test=0.1, group="patient").assign(table, [], seed)
        assert (count(sides), sides[0]) == ([80, 10, 10], "train")


def test_strata_of_several_columns_and_of_numbers() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"city": np.array(["Rome", "Oslo", None], object)[rng.integers(0, 3, 400)], "sex": rng.integers(0, 2, 400)}
    )
    table["price"] = rng.lognormal(size=400)
    joint = table["city"].fillna("none") + table["sex"].astype(str)
    # What the labels are does not matter then.
    sides = Splits(test=0.25, stratify=("city", "sex")).assign(table, [rng.integers(0, 2, 400)], seed=3)
    assert np.abs(joint[sides == "test"].value_counts() - joint.value_counts() / 4).max() < 1
    sides = Splits(test=0.25, stratify=("price",)).assign(table, [], seed=3)
    deciles = pd.qcut(table["price"], 10, labels=False)
    assert deciles[sides == "test"].value_counts().tolist() == [10] * 10


def test_a_column_names_splits_in_any_case() -> None:
    table = pd.DataFrame({"part": ["Train", " val ", "TEST", "validation"] * 5, "patient": list("abcd") * 5})
    sides = Splits("part").assign(table)
    assert sides.tolist() == ["train", "validation", "test", "validation"] * 5
    assert Splits("part", group="patient").assign(table).tolist() == sides.tolist()
    table["part"] = ["train"] * 16 + ["test"] * 4
    table["patient"] = np.arange(20) // 4
    assert count(Splits("part", validation=0.25, group="patient").assign(table)) == [12, 4, 4]


def test_a_group_is_one_however_its_rows_store_it() -> None:
    stored = pd.Series([1, "1", 1.0, " 1 ", 2, "2", 2.0, 3, "3", 4] * 2, dtype=object)
    sides = Splits(validation=0.2, test=0.2, group="patient").assign(pd.DataFrame({"patient": stored}))
    texts = stored.map(lambda value: str(value).strip().removesuffix(".0"))
    assert pd.Series(sides).groupby(texts).nunique().tolist() == [1, 1, 1, 1]


DATES: list[Any] = [
    [f"2026-01-{day:02}" for day in range(1, 11)],
    [f" 2026-01-01 {hour:02}:30" for hour in range(10)],
    [f"2026-01-01T{hour:02}:30:00+0{hour % 3}:00" for hour in (0, 3, 4, 5, 8, 9, 10, 13, 14, 15)],
    [
        f"{day}.{month}.2026"
        for month, day in ((1, 30), (2, 1), (2, 20), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1), (9, 1))
    ],
    [f"{month:02}/13/2026" for month in range(1, 11)],
    [datetime.date(2026, 1, day) for day in range(1, 11)],
    pd.date_range("2026-01-01", periods=10, tz="Europe/Rome"),
    pd.period_range("2026-01", periods=10, freq="M"),
    pd.array([datetime.date(2026, 1, day) for day in range(1, 11)], pd.ArrowDtype(pa.date32())),  # type: ignore[call-overload]
    pd.array(range(10), "Int64"),
    np.linspace(-1, 1, 10),
]


@pytest.mark.parametrize("dates", DATES, ids=lambda dates: str(dates[0]))
def test_dates_and_numbers_are_times(dates: Any) -> None:
    table = pd.DataFrame({"day": dates}).iloc[::-1]
    sides = Splits(validation=0.2, test=0.3, time="day").assign(table)
    assert sides.tolist() == ["test"] * 3 + ["validation"] * 2 + ["train"] * 5


def change(name: str, **cells: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return a function that replaces cells of a column, by row."""

    def changed(table: pd.DataFrame) -> pd.DataFrame:
        column = table[name].astype(object)
        for row, value in cells.items():
            column.iloc[int(row[1:])] = value
        return table.assign(**{name: column})

    return changed


REFUSED: list[tuple[dict[str, Any], Callable[[pd.DataFrame], pd.DataFrame] | None, str]] = [
    ({"group": "patiant"}, None, "Unknown column: received 'patiant'. Did you mean 'patient'? The splits read it."),
    (
        {"group": "patient"},
        change("patient", r3=None, r5=" "),
        "a group where the splits depend on it. Received: none in rows 3, ",
    ),
    ({"time": "date"}, change("date", r7=np.nan), "must have a time where the splits depend on it. Received: none in row 7 of"),
    (
        {"time": "date"},
        change("date", r2="03/04/2026"),
        "2026-03-31 18:00. Received: '03/04/2026' in row 2 of column 'date'.",
    ),
    (
        {"time": "date"},
        lambda table: table.assign(date=[f"{row % 12 + 1:02}/{row // 2 + 1:02}/2026" for row in range(20)]),
        "Received: '01/01/2026' and others in column 'date', which may all start with the day or the month. Write",
    ),
    ({"time": "date"}, change("date", r2="today"), "Received: 'today' in row 2 of column 'date'. Convert them"),
    ({"time": "date"}, change("date", r2="2026-02-30"), "Received: '2026-02-30' in row 2 of column 'date'. Convert them"),
    ({"group": "city"}, None, "Received: 2 groups in column 'city' for train, test, validation. Hold out fewer"),
    ({"group": "city", "test": None, "folds": 3}, None, "Received: folds=3, and 2 groups in column 'city'. Pass folds=2"),
    ({"group": "city", "test": None, "folds": 2}, None, "Received: 1 groups in column 'city' for train, validation. Hold"),
    ({"time": "city"}, lambda table: table.assign(city=table.index // 10), "Received: 2 different values in column 'city' for"),
    ({"test": 0.5, "validation": 0.5}, None, "Received: test=0.5, validation=0.5 of 20 rows. Pass smaller"),
    ({"test": None, "validation": 0.6, "folds": 2}, None, "Received: validation=0.6, folds=2 of 20 rows. Pass smaller"),
    ({"test": None, "folds": 21}, None, "Received: validation=0.1, folds=21 of 20 rows. Pass smaller fractions, or more rows."),
    ({"stratify": ("date",)}, None, "Received: 20 different values in column 'date'. Leave it out of `stratify`."),
    ({"column": "city", "test": None}, None, "one of train, val, validation, test. Received: 'Rome' in rows 0, 2, 4, 6, 8 and"),
    (
        {"column": "city", "group": "patient"},
        lambda table: table.assign(city=["train", "val", "test", "train"] * 5, patient=table.index // 2),
        "must be in one split. Received: 10 in several, the first 0 of column 'patient', row 0 (train), row 1 (validation)",
    ),
    (
        {"column": "city", "validation": 0.2},
        lambda table: table.assign(city=["train", "val"] * 10),
        "split column has rows of that split. Received: validation=0.2, and 10 rows. Remove `validation`.",
    ),
]


@pytest.mark.parametrize(("options", "wrong", "message"), REFUSED)
def test_unusable_columns_are_refused(
    options: dict[str, Any], wrong: Callable[[pd.DataFrame], pd.DataFrame] | None, message: str
) -> None:
    table = pd.DataFrame({"patient": [f"p{row // 2}" for row in range(20)], "city": ["Rome", "Oslo"] * 10})
    table["date"] = [f"2026-01-{row + 1:02}" for row in range(20)]
    table = wrong(table) if wrong else table
    with pytest.raises(MTLError) as refused:
        Splits(**{"test": 0.2 if "column" not in options else None, **options}).assign(table)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"column": ""}, "`column` of splits must"),
        ({"validation": 1}, "`validation` of splits must be a number in (0, 1). Received: validation=1."),
        ({"stratify": "city"}, "Pass stratify=('city',)."),
        ({"folds": 1}, "`folds` of splits must be an integer in [2, 1000]. Received: folds=1."),
        ({"folds": 5, "fold": 5}, "`fold` of splits must be an integer in [0, 4]. Received: fold=5."),
        ({"fold": 1}, "`fold` of splits must be"),
        ({"time": "day", "group": "patient"}, "must not be given together: a group may span any time. Received: time='day',"),
        ({"time": "day", "folds": 5}, "`time` and `folds` of splits must not be given together: all but the last fold"),
        ({"time": "day", "stratify": ("city",)}, "`time` and `stratify` of splits must not"),
        ({"time": "day", "column": "part"}, "`time` and `column` of splits must not"),
        ({"folds": 5, "test": 0.1}, "`folds` and `test` of splits must not"),
        ({"folds": 5, "column": "part"}, "`folds` and `column` of splits must not"),
    ],
)
def test_splits_check_themselves(options: dict[str, Any], message: str) -> None:
    with pytest.raises(MTLError) as refused:
        Splits(**options)
    assert message in str(refused.value)


def test_splits_are_plain_values() -> None:
    splits = Splits(validation=np.float64(0.2), stratify=["city", "sex"], group="patient", folds=5, fold=2)
    assert splits.columns == ("city", "sex", "patient")
    assert Splits.from_config(json.loads(json.dumps(splits.config()))) == splits
    assert [parse_splits(value) for value in (None, "part", {"test": 0.2}, splits)] == [
        Splits(),
        Splits(column="part"),
        Splits(test=0.2),
        splits,
    ]
    with pytest.raises(MTLError, match="Unknown field of splits: received 'groups'. Did you mean 'group'"):
        parse_splits({"groups": "patient"})
    with pytest.raises(MTLError, match="`splits` must be a Splits. Received: splits=5. Pass e.g."):
        parse_splits(5)

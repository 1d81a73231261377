"""Binary tasks in any number: which they are, the rungs of a ladder, its training and what its report says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.container import ErrorbarContainer
from mtl_keras.report._ladder import is_ladder

import mtl_keras as mtl
from mtl_keras import report
from mtl_keras.comparison._jobs import _judged_by
from mtl_keras.errors import MTLError
from mtl_keras.report._page import result
from mtl_keras.report._values import MANY, shown_tasks
from mtl_keras.tasks import controls_of, from_config
from tests.test_comparison_report import row

ROUND = {"round": {"no": (1, 2, 4, 5, 7), "yes": (0, 3, 6, 8, 9)}}


# --- which tasks there are --------------------------------------------------------------------------------------------


@given(n=st.integers(1, 30), coins=st.integers(0, 30), seed=st.integers(0, 2**31))
def test_tasks_come_in_order_and_keep_their_places(n: int, coins: int, seed: int) -> None:
    coins = min(n, coins)
    tasks = mtl.binary_tasks(n, "digit", 10, groups=ROUND, coins=coins, seed=seed)
    assert len(tasks) == n
    learnable = ["round", "equal", *(f"half_{place}" for place in range(3, n + 1))][: n - coins]
    assert list(tasks) == [*learnable, *(f"coin_{place}" for place in range(1, coins + 1))]
    assert controls_of(tasks) == tuple(tasks)[n - coins :]
    longer = mtl.binary_tasks(n + 3, "digit", 10, groups=ROUND, coins=coins, seed=seed)
    assert all(longer[name] == task for name, task in tasks.items())


@given(classes=st.integers(2, 101), seed=st.integers(0, 2**31))
def test_every_half_has_half_of_the_classes(classes: int, seed: int) -> None:
    tasks = mtl.binary_tasks(6, "fine", classes, seed=seed)
    x, column = np.zeros((classes, 1, 1, 1), "uint8"), {"fine": np.arange(classes)}
    y = mtl.data.from_arrays(tasks, (x, column), (x, column)).train.y
    for labels in y.values():
        assert abs(2 * int(labels.sum()) - classes) <= 1
    # A column apart, the halves are not one and the same.
    assert classes < 12 or len({labels.tobytes() for labels in y.values()}) == len(tasks)


def test_other_seeds_give_other_halves_and_coins() -> None:
    one, other = (mtl.binary_tasks(6, "fine", 100, coins=2, seed=seed) for seed in (0, 100))
    assert [name for name in one if one[name].label == other[name].label] == ["equal"]


def test_tasks_survive_json() -> None:
    tasks = mtl.binary_tasks(5, "fine", 10, groups=ROUND, coins=1)
    assert from_config(tasks.config()) == tasks


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 2, "coins": 3}, "Received: coins=3 of n=2. Give at least n=3."),
        ({"n": 0}, "`n` is a whole number from 1. Received: n=0."),
        ({"n": 3, "classes": 1}, "Received: classes=1."),
        ({"n": 3, "seed": -1}, "Received: seed=-1."),
        ({"n": 3, "groups": {"round": {"no": (0, 1), "yes": (1, 2)}}}, "A class must be in one group. Received: 1 in"),
        ({"n": 3, "groups": {"round": {"no": (0, 1), "yes": ()}}}, "A group must have at least one class."),
    ],
)
def test_what_cannot_be_made(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(MTLError) as error:
        mtl.binary_tasks(column="digit", **{"classes": 10, **arguments})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        (
            {"no": (0, 1, 2), "yes": (3, 4, 5, 6, 7, 8)},
            "A ClassMap must hold every class. Received: one of 'digit' without class 9",
        ),
        ({"no": ("zero",), "yes": ("ten",)}, "'zero'"),
    ],
)
def test_class_lists_are_checked_when_the_data_is_read(sides: dict[str, Any], message: str) -> None:
    with pytest.raises(MTLError, match=message):
        mtl.data.load("digits", mtl.binary_tasks(1, "digit", 10, groups={"named": sides}))


# --- rungs ------------------------------------------------------------------------------------------------------------


def test_rungs_are_the_first_tasks() -> None:
    tasks = mtl.binary_tasks(6, "digit", 10, coins=2)
    assert mtl.rungs(tasks, (1, 4), ((2, 1), (0, 2))) == {
        "tasks_1": ("equal",),
        "tasks_4": ("equal", "half_2", "half_3", "half_4"),
        "tasks_2_coins_1": ("equal", "half_2", "coin_1"),
        "tasks_0_coins_2": ("coin_1", "coin_2"),
    }


@pytest.mark.parametrize(
    ("counts", "mixes", "message"),
    [
        ((), (), "at least one rung"),
        ((5,), (), "Received: 5 tasks that can be learned of 4."),
        ((), ((1, 3),), "Received: 3 coins of 2."),
        ((-1,), (), "Received: -1 tasks"),
        ((0,), (), "at least one task"),
    ],
)
def test_rungs_that_cannot_be_had(counts: Any, mixes: Any, message: str) -> None:
    with pytest.raises(MTLError) as error:
        mtl.rungs(mtl.binary_tasks(6, "digit", 10, coins=2), counts, mixes)
    assert message in str(error.value)


def test_approaches_are_judged_by_what_half_of_them_have() -> None:
    rungs = [frozenset(map(str, range(count))) for count in (3, 5, 10, 20, 50)]
    assert _judged_by(rungs) == frozenset(map(str, range(10)))
    # Of tasks that no approach has together, those of the largest.
    assert _judged_by([frozenset("ab"), frozenset("bc"), frozenset("cad")]) == frozenset("cad")


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> mtl.Comparison:
    return climb(tmp_path_factory.mktemp("ladder") / "run")


def climb(folder: Path, **options: Any) -> mtl.Comparison:
    tasks = mtl.binary_tasks(5, "digit", 10, groups=ROUND, coins=1)
    data = mtl.data.load("digits", tasks).subset(96)
    recipe = mtl.Recipe(tasks, mtl.Backbone("SmallCNN", filters=(2,)), data.image_shape, mtl.Head(dense=(4,)))
    return mtl.ladder(
        *(recipe, data, mtl.Phase(epochs=1)),
        **{
            "counts": (2, 3, 4),
            "mixes": ((2, 1),),
            "baseline": ("round", "equal"),
            "seeds": 2,
            "output_dir": folder,
            **options,
        },
    )


def test_a_ladder_has_its_rungs_and_the_named_baselines(climbed: mtl.Comparison) -> None:
    own: dict[str, set[str]] = {}
    for each in climbed.metrics:
        if each["task"] != "all" and each["run"] != "trivial":
            own.setdefault(each["run"], set()).add(each["task"])
    assert own == {
        "tasks_2": {"round", "equal"},
        "tasks_3": {"round", "equal", "half_3"},
        "tasks_4": {"round", "equal", "half_3", "half_4"},
        "tasks_2_coins_1": {"round", "equal", "coin_1"},
        "single-task": {"round", "equal"},
    }
    # delta_m where all of a rung's tasks have baselines.
    assert {each["run"] for each in climbed.metrics if each["metric"] == "delta_m"} == {"tasks_2"}


def test_a_ladder_goes_on_where_it_was_stopped(climbed: mtl.Comparison) -> None:
    (climbed.output_dir / "jobs" / "tasks_3-1" / "summary.json").unlink()
    again = climb(climbed.output_dir, resume=True)
    assert [each["value"] for each in again.metrics] == pytest.approx([each["value"] for each in climbed.metrics], abs=1e-6)


def test_a_ladder_has_its_pictures_and_table(climbed: mtl.Comparison) -> None:
    names = {path.name for path in climbed.output_dir.iterdir()}
    assert {"ladder.png", "ladder_losses.png", "approaches.png", "gains.png"} <= names
    assert "totals.png" not in names
    page = (climbed.output_dir / "README.md").read_text(encoding="utf-8")
    assert "mean of controls" in page
    assert "![what tasks reach against their number](ladder.png)" in page


def test_a_twin_of_an_unknown_task(tmp_path: Path) -> None:
    with pytest.raises(MTLError, match="Unknown task in baseline"):
        climb(tmp_path / "run", baseline=("rund",))


# --- what it says -----------------------------------------------------------------------------------------------------


def ladder_rows() -> list[dict[str, Any]]:
    """Two tasks alone, with a third, with a fourth, and with a coin; two seeds, trivial at a half."""
    reached = {
        "single-task": {"a": 0.7, "b": 0.6},
        "two": {"a": 0.8, "b": 0.6},
        "three": {"a": 0.9, "b": 0.7, "c": 0.8},
        "four": {"a": 0.9, "b": 0.8, "c": 0.8, "d": 0.7},
        "coined": {"a": 0.8, "b": 0.6, "coin": 0.5},
    }
    rows = [
        row(run, seed, task, "accuracy", value + 0.02 * seed)
        for run, by_task in reached.items()
        for task, value in by_task.items()
        for seed in (0, 1)
    ]
    return rows + [row("trivial", "", task, "accuracy", 0.5) for task in ("a", "b", "c", "d", "coin")]


def across(line: Any) -> list[float]:
    return [float(value) for value in np.asarray(line.get_xdata())]


def up(line: Any) -> list[float]:
    return [float(value) for value in np.asarray(line.get_ydata())]


def test_the_table_is_over_the_tasks_that_can_be_learned() -> None:
    table = report.ladder_table(ladder_rows(), controls=("coin",)).set_index("approach")
    assert list(table.index) == ["two", "three", "four", "coined"]
    assert table["tasks"].tolist() == [2, 3, 4, 2]
    assert table["controls"].tolist() == [0, 0, 0, 1]
    assert table.loc["three", "mean"] == "0.8100 ± 0.0141 (2)"
    # (0.8 - 0.5) / (1 - 0.5) and so on, at 0.01 more over two seeds.
    assert table.loc["two", "skill"] == "0.4200 ± 0.0283 (2)"
    assert table.loc["three", "− single-task"] == "+0.1500 (indicative) over 2"
    assert table.loc["coined", "mean of controls"] == "0.5100 ± 0.0141 (2)"
    assert table.loc["two", "mean of controls"] == "–"


def test_the_picture_has_the_tasks_against_their_number() -> None:
    rows = ladder_rows()
    assert is_ladder(rows, "test")
    place = report.plot_ladder(rows, controls=("coin",)).axes[0]
    lines = {each.get_label(): each.lines[0] for each in place.containers if isinstance(each, ErrorbarContainer)}
    assert set(lines) == {"a", "b", "c", "mean of a, b"}
    assert across(lines["a"]) == [1, 2, 3, 4]
    assert up(lines["mean of a, b"]) == pytest.approx([0.66, 0.71, 0.81, 0.86])
    hollow = [line for line in place.lines if line.get_fillstyle() == "none" and across(line)]
    assert sorted(up(line)[0] for line in hollow) == pytest.approx([0.61, 0.81])


def test_two_numbers_of_tasks_are_no_ladder() -> None:
    rows = [each for each in ladder_rows() if each["run"] in ("two", "three")]
    assert not is_ladder(rows, "test")
    with pytest.raises(MTLError, match="at least three numbers of tasks"):
        report.plot_ladder(rows)


def test_losses_are_added_up_and_averaged_over_own_tasks() -> None:
    losses = {"two": {"a": 0.4, "b": 0.2}, "coined": {"a": 0.5, "coin": 0.7}, "single-task a": {"a": 9.0}}
    rows = [
        {
            "run": run,
            "seed": 0,
            "phase": 0,
            "epoch": epoch,
            "split": "validation",
            "task": task,
            "metric": "loss",
            "value": value,
        }
        for run, by_task in losses.items()
        for task, value in by_task.items()
        for epoch in (1, 2, 3)
    ]
    total, average = report.plot_ladder_losses(rows, controls=("coin",)).axes
    assert {line.get_label(): round(up(line)[0], 6) for line in total.lines} == {"two": 0.6, "coined": 1.2}
    assert {line.get_label(): round(up(line)[0], 6) for line in average.lines} == {
        "two": 0.3,
        "coined": 0.6,
        "without its coins": 0.5,
        "its coins alone": 0.7,
    }
    with pytest.raises(MTLError, match="none on the test split"):
        report.plot_ladder_losses(rows, split="test")


def test_of_very_many_tasks_a_page_shows_those_that_most_have() -> None:
    sizes = {"few": 3, "more": 5, "many": MANY + 20}
    rows = [row(run, 0, f"t{number}", "accuracy", 0.9) for run, count in sizes.items() for number in range(count)]
    assert shown_tasks(rows) == ["t0", "t1", "t2", "t3", "t4"]
    assert len(shown_tasks([each for each in rows if each["run"] == "many"])) == MANY
    assert shown_tasks([each for each in rows if each["run"] != "many"]) == ["t0", "t1", "t2", "t3", "t4"]


def test_a_mean_over_hidden_tasks_is_not_laid_beside_the_baselines() -> None:
    rows = [row("many", seed, f"t{number}", "accuracy", 0.9) for seed in (0, 1) for number in range(MANY + 1)]
    rows += [row("single-task", seed, f"t{number}", "accuracy", 0.8) for seed in (0, 1) for number in range(MANY)]
    rows += [row(run, seed, "all", "skill", 0.5) for run in ("many", "single-task") for seed in (0, 1)]
    rows += [row("few", seed, "t0", "accuracy", 0.9) for seed in (0, 1)]
    (line,) = [line for line in result(rows, "test")[0].splitlines() if line.startswith("| many | all | skill ")]
    assert "indicative" not in line

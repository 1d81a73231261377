"""A study of two data sets: trained, searched, compared and reproduced, and refused in one line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration._tiny import command, study_file

PAIR = '''"""Digits, and the same images upside down."""
import mtl_keras as mtl

TASKS = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("odd", label="parity"))


def turned(tasks, data_dir, seed):
    digits = mtl.data.load("digits", tasks, seed=seed)
    rows = [(s.x[:60, ::-1], {"parity": s.y["odd"][:60]}) for s in (digits.train, digits.validation, digits.test)]
    return mtl.data.from_arrays(tasks, *rows, name="turned")


def space(hp, context):
    settings = context.settings
    shared = mtl.search.dense_stack(hp, "shared", depth=(1, 2), width=(4,))
    recipe = mtl.Recipe(context.tasks, settings.new_backbone(), context.image_shape, shared)
    return mtl.Plan(recipe, (mtl.Phase(epochs=settings.epochs),))


def plan(context):
    recipe = mtl.Recipe(context.tasks, context.settings.new_backbone(), context.image_shape, mtl.Head(dense=(4,)))
    return mtl.Plan(recipe, (mtl.Phase(epochs=1),))


SETTINGS = mtl.search.Settings(
    backbone_options={"filters": [2], "kernel_size": 1}, trials=1, epochs=1, n_final_seeds=2, baselines=False, train_rows=600
)
CONFIGURATIONS = {
    "coins": mtl.search.Configuration("As the original.", plan, {"sampling": "coin"}),
    "equal": mtl.search.Configuration("Equal steps.", plan, {"sampling": "coin", "steps": {"digits": 3, "turned": 3}}),
}
DATA = {"digits": ("digit",), turned: ("odd",)}
STUDY = mtl.Study("pair", "Two.", TASKS, DATA, (8, 8, 1), space, SETTINGS, configurations=CONFIGURATIONS)
'''


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return study_file(tmp_path, text=PAIR)


def history(folder: Path) -> list[dict[str, Any]]:
    with (folder / "history.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def steps(folder: Path, run: str = "multi-task") -> list[tuple[str, float]]:
    rows = (row for row in history(folder) if row["run"] == run and row["metric"].startswith("steps_"))
    return sorted({(row["metric"], float(row["value"])) for row in rows})


def test_train_takes_a_sampling(study: Path, tmp_path: Path) -> None:
    """600 of 1,210 rows are some 570 and 30: five batches and one."""
    folder = tmp_path / "run"
    done = command("train", study, "--output-dir", folder, "--set", "sampling=round_robin", "--set", "steps=single-task")
    assert done.code == 0, done.err
    assert steps(folder) == [("steps_digits", 5.0), ("steps_turned", 1.0)]
    assert (folder / "steps.png").exists()
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))["settings"]
    assert (settings["sampling"], settings["steps"]) == ("round_robin", "single-task")
    done = command("evaluate", folder, "--split", "test", "--json")
    assert done.code == 0, done.err
    mapping = 'sampling={"method": "fixed", "ratios": {"digits": 0, "turned": 1}}'
    done = command("train", study, "--output-dir", tmp_path / "other", "--set", mapping)
    assert done.code == 0, done.err
    assert steps(tmp_path / "other") == [("steps_digits", 0.0), ("steps_turned", 6.0)]


def test_tune_searches_it(study: Path, tmp_path: Path) -> None:
    done = command("tune", study, "--output-dir", tmp_path / "run")
    assert done.code == 0, done.err
    assert {name for name, _ in steps(tmp_path / "run")} == {"steps_digits", "steps_turned"}


def test_compare_and_reproduce(study: Path, tmp_path: Path) -> None:
    done = command("compare", study, "--approach", "equal", "--seeds", 2, "--output-dir", tmp_path / "compared")
    assert done.code == 0, done.err
    assert {row["run"] for row in history(tmp_path / "compared")} == {"equal", "single-task digit", "single-task odd"}
    done = command("reproduce", study, "--output-dir", tmp_path / "reproduced")
    assert done.code == 0, done.err
    assert steps(tmp_path / "reproduced", "equal") == [("steps_digits", 3.0), ("steps_turned", 3.0)]
    assert {name for name, _ in steps(tmp_path / "reproduced", "coins")} == {"steps_digits", "steps_turned"}


@pytest.mark.parametrize(
    ("changes", "options", "offender"),
    [
        (
            [('"digits": ("digit",), turned: ("odd",)', 'turned: ("odd",)')],
            [],
            "at least two data sets. Received: turned alone",
        ),
        ([('"digits": ("digit",), turned', '"digits": ("digt",), turned')], [], "received 'digt'. Did you mean 'digit'"),
        ([('("digit",), turned: ("odd",)', '("digit", "odd"), turned: ("odd",)')], [], "'odd' in both 'digits' and 'turned'"),
        ([('name="turned"', 'name="digits"')], [], "Received twice: 'digits'"),
        ([("s.x[:60, ::-1]", "s.x[:60, ::-2]")], [], "8 x 8 x 1 in 'digits' and 4 x 8 x 1 in 'turned'"),
        ([('s.y["odd"][:60]', 's.y["odd"][:60] * float("nan")')], [], "'turned' without a single one"),
        ([("s.x[:60, ::-1]", "s.x[:0]"), ('s.y["odd"][:60]', 's.y["odd"][:0]')], [], "0 rows for the train split"),
        ([("train_rows=600", "train_rows=1")], [], "'turned' with none left of it"),
        ([], ["sampling=coins"], "Did you mean 'coin'"),
        ([], ['sampling={"method": "fixed", "ratios": {"digits": 1, "turned": -2}}'], "'turned': -2"),
        ([], ['sampling={"method": "fixed", "ratios": {"digits": 0, "turned": 0}}'], "not all of them 0"),
        ([], ['steps={"digits": 3}'], "without 'turned'"),
        ([('"digits": ("digit",), turned: ("odd",)', ""), ("TASKS, DATA,", 'TASKS, "digits",')], ["sampling=coin"], "has one"),
    ],
)
def test_a_fault_is_told_in_one_line(tmp_path: Path, changes: list[tuple[str, str]], options: list[str], offender: str) -> None:
    sets = [word for option in options for word in ("--set", option)]
    done = command("train", study_file(tmp_path, *changes, text=PAIR), "--output-dir", tmp_path / "run", *sets)
    assert done.code == 2, done.err
    line = done.err.splitlines()[-1]
    assert line.startswith("mtl-keras: ")
    assert offender in line
    assert "Traceback" not in done.err
    assert not (tmp_path / "run").exists()

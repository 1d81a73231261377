"""A study of two data sets: trained, searched, compared and reproduced, and refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration._tiny import command, config_of, study_file, table

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
    "fixed": mtl.search.Configuration(
        "One of them.", plan, {"sampling": {"method": "fixed", "ratios": {"digits": 0, "turned": 1}}}, seeds=1
    ),
    "equal": mtl.search.Configuration("Equal steps.", plan, {"sampling": "coin", "steps": {"digits": 3, "turned": 3}}, seeds=1),
}
DATA = {"digits": ("digit",), turned: ("odd",)}
STUDY = mtl.Study("pair", "Two.", TASKS, DATA, (8, 8, 1), space, SETTINGS, configurations=CONFIGURATIONS)
'''


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return study_file(tmp_path, text=PAIR)


def steps(folder: Path, run: str = "multi-task") -> list[tuple[str, float]]:
    rows = (row for row in table(folder / "history.csv") if row["run"] == run and row["metric"].startswith("steps_"))
    return sorted({(row["metric"], float(row["value"])) for row in rows})


def test_train_takes_a_sampling(study: Path, tmp_path: Path) -> None:
    """600 of 1,210 rows are some 570 and 30: five batches and one."""
    folder = tmp_path / "run"
    done = command("train", study, "--output-dir", folder, "--set", "sampling=round_robin", "--set", "steps=single-task")
    assert done.code == 0, done.err
    assert steps(folder) == [("steps_digits", 5.0), ("steps_turned", 1.0)]
    assert (folder / "steps.png").exists()
    settings = config_of(folder)["settings"]
    assert (settings["sampling"], settings["steps"]) == ("round_robin", "single-task")
    done = command("evaluate", folder, "--study", study, "--split", "test", "--json")
    assert done.code == 0, done.err


def test_reproduce_alternates_as_each_configuration_says(study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = command("reproduce", study, "--output-dir", folder)
    assert done.code == 0, done.err
    assert steps(folder, "equal") == [("steps_digits", 3.0), ("steps_turned", 3.0)]
    assert steps(folder, "fixed") == [("steps_digits", 0.0), ("steps_turned", 6.0)]


@pytest.mark.parametrize(
    ("changes", "options", "offender"),
    [
        ([('"digits": ("digit",), turned', '"digits": ("digt",), turned')], [], "received 'digt'. Did you mean 'digit'"),
        ([('name="turned"', 'name="digits"')], [], "Received twice: 'digits'"),
        ([("s.x[:60, ::-1]", "s.x[:60, ::-2]")], [], "8 x 8 x 1 in 'digits' and 4 x 8 x 1 in 'turned'"),
        ([("train_rows=600", "train_rows=1")], [], "Received: none of 'turned'"),
        ([], ["sampling=coins"], "Did you mean 'coin'"),
        ([], ['sampling={"method": "fixed", "ratios": {"digits": 1, "turned": -2}}'], "ratios['turned']=-2"),
        ([], ['steps={"digits": 3}'], "without 'turned'"),
        ([('"digits": ("digit",), turned: ("odd",)', ""), ("TASKS, DATA,", 'TASKS, "digits",')], ["sampling=coin"], "has one"),
    ],
)
def test_a_fault_is_refused_in_one_line(
    tmp_path: Path, changes: list[tuple[str, str]], options: list[str], offender: str
) -> None:
    sets = [word for option in options for word in ("--set", option)]
    done = command("train", study_file(tmp_path, *changes, text=PAIR), "--output-dir", tmp_path / "run", *sets)
    assert done.code == 2, done.err
    line = done.err.splitlines()[-1]
    assert line.startswith("mtl-keras: ")
    assert offender in line
    assert "Traceback" not in done.err
    assert not (tmp_path / "run").exists()

"""Every notebook runs from start to end with quick parameters, and the committed file does not change."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest

import mtl_keras as mtl
from mtl_keras.studies import study_summaries
from tests.integration._tiny import command, table

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
RESULTS = NOTEBOOKS.parent / "results"
#: Notebooks that show committed records unless they are told to train.
READING = {"train": True}
COMMON = {"data_dir": "", "seeds": 2, "quick": True}
#: Parameters of a quick run of each notebook: those configurations that its cells name, since each network that is traced takes
#: seconds. A notebook without an entry fails.
QUICK: dict[str, dict[str, Any]] = {
    "00_quickstart.ipynb": {"trials": 1, "epochs": 1, "n_final_seeds": 1},
    "01_cifar100.ipynb": {
        **COMMON,
        **READING,
        "configurations": [
            "lite0_before_as_run",
            "lite0_before_as_written",
            "lite0_enhanced_as_run",
            "lite0_enhanced_as_written",
            "tuned",
        ],
        "changes": {"image_size": 32},
    },
    "02_cifar10_reconstruction.ipynb": {
        **COMMON,
        **READING,
        "configurations": ["exp3", "uncertainty"],
        "one_model_dir": str(RESULTS / "cifar10_reconstruction/2026-11-24-one-model"),
    },
    "03_landmarks.ipynb": {
        **COMMON,
        **READING,
        "configurations": ["parallel", "category_first", "landmark_first"],
        "own_dirs": [str(RESULTS / "landmarks" / name) for name in ("2026-11-24", "2026-11-28")],
        "tries_dir": str(RESULTS / "landmarks_tries/2026-11-28"),
        "changes": {"image_size": 32, "train_rows": 60},
    },
    "04_cifar100_binary.ipynb": {
        **COMMON,
        **READING,
        "configurations": ["tasks_3", "tasks_5"],
        "frozen_dir": str(RESULTS / "cifar100_binary/2026-11-26-frozen"),
    },
    # On features of a frozen trunk: the network from scratch takes a minute to trace.
    "05_two_datasets.ipynb": {
        **COMMON,
        **READING,
        "configurations": ["coin"],
        "changes": {"pretrained": True, "image_size": 32},
        "frozen_dir": str(RESULTS / "two_datasets/2026-11-28-frozen"),
    },
    "06_own_data.ipynb": {
        "trials": 1,
        "epochs": 1,
        "n_final_seeds": 1,
        "record_dir": str(RESULTS / "clothing/2026-11-28"),
    },
}
#: Notebooks that need the folder of real data.
REAL = sorted(name for name, parameters in QUICK.items() if "data_dir" in parameters)


def test_every_notebook_has_quick_parameters() -> None:
    assert {path.name for path in NOTEBOOKS.glob("*.ipynb")} == set(QUICK)


@pytest.mark.parametrize("name", sorted(QUICK))
def test_parameters_exist(name: str) -> None:
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert tagged[0] is next(cell for cell in notebook.cells if cell.cell_type == "code")
    known = {line.split("=")[0].strip() for line in tagged[0].source.splitlines() if "=" in line}
    assert set(QUICK[name]) <= known


@pytest.mark.parametrize("name", [name for name in sorted(QUICK) if "train" in QUICK[name]])
def test_committed_records_are_shown_without_training(name: str) -> None:
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    values: dict[str, Any] = {}
    exec(next(cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])), values)
    assert values["train"] is False
    folders = [
        each
        for key, value in values.items()
        if key.endswith(("_dir", "_dirs"))
        for each in ([value] if isinstance(value, str) else value)
    ]
    records = [folder for folder in folders if "results" in folder]
    assert records
    for folder in records:
        assert (NOTEBOOKS / folder / "metrics.csv").is_file(), f"{name} names {folder}"


@pytest.mark.parametrize("name", sorted(QUICK))
def test_tables_are_shown_in_full(name: str) -> None:
    for cell in nbformat.read(NOTEBOOKS / name, as_version=4).cells:
        for output in cell.get("outputs", []):
            assert not re.search(r"\d+ rows × \d+ columns", str(output.get("data", {}).get("text/html", ""))), cell.source


@pytest.mark.parametrize("name", sorted(QUICK))
def test_outputs_are_committed(name: str) -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOKS / name, as_version=4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.real_data if name in REAL else ()) for name in sorted(QUICK)]
)
def test_runs_quickly(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = NOTEBOOKS / name
    parameters = dict(QUICK[name])
    if name in REAL:
        parameters["data_dir"] = str(request.getfixturevalue("real_data"))
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    papermill.execute_notebook(
        path,
        tmp_path / name,
        {**parameters, "output_dir": str(tmp_path / "run")},
        cwd=tmp_path,
        progress_bar=False,
        kernel_name="python3",
    )
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    ran = nbformat.read(tmp_path / name, as_version=4)
    assert all(cell.execution_count for cell in ran.cells if cell.cell_type == "code")


@pytest.mark.soak
@pytest.mark.real_data
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", sorted(name for name in study_summaries() if mtl.load_study(name).configurations))
def test_every_configuration_is_reproduced_quickly(name: str, tmp_path: Path, real_data: Path) -> None:
    arguments = ("reproduce", name, "--quick", "--seeds", 2, "--data-dir", real_data, "--output-dir", tmp_path / "run")
    done = command(*arguments)
    assert done.code == 0, done.err
    runs = {row["run"] for row in table(tmp_path / "run" / "metrics.csv")}
    assert set(mtl.load_study(name).configurations) <= runs

"""Every notebook runs from top to bottom with quick parameters, and is committed with its outputs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_committed_as_it_ran(path: Path) -> None:
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    cells = code_cells(notebook)
    assert "parameters" in cells[0].metadata.get("tags", [])
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert outputs
    assert not [output for output in outputs if output.output_type == "error"]
    # A path of whoever ran it last has no place in a committed output.
    assert not [str(output) for output in outputs if str(Path.home()) in str(output)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_runs_with_quick_parameters(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import papermill

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    # A kernel of this very interpreter, whatever the machine calls "python3".
    kernel = tmp_path / "jupyter/kernels/here"
    kernel.mkdir(parents=True)
    command = f'["{sys.executable}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    (kernel / "kernel.json").write_text(f'{{"argv": {command}, "display_name": "here", "language": "python"}}', encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    done = papermill.execute_notebook(
        path, tmp_path / path.name, {"quick": True}, kernel_name="here", cwd=tmp_path, progress_bar=False, log_output=False
    )
    assert all(cell.execution_count for cell in code_cells(done))

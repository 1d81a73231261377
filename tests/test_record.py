"""Records of one approach: files, page, environment and summary."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mtl_keras import report
from mtl_keras.errors import MTLError
from mtl_keras.report import _environment
from tests._scores import TRIALS, evaluation, history, rows_of

HISTORY_COLUMNS = tuple(report.HistoryRow.__annotations__)
METRICS_COLUMNS = tuple(report.MetricsRow.__annotations__)


CONFIG = {"study": "digits", "settings": {"trials": 3}}


def write(folder: Path, **changes: Any) -> None:
    images = np.random.default_rng(0).random((4, 8, 8, 1))
    counts = np.random.default_rng(0).integers(0, 90, (100, 100))
    defaults: dict[str, Any] = {
        "title": "Digits: two tasks",
        "question": "Does sharing help?",
        "command": "mtl-keras tune digits --trials 3",
        "config": CONFIG,
        "environment": {**report.environment(), "wall_seconds": 61.4},
        "metrics": rows_of([0.70, 0.72], [0.70, 0.71]) + rows_of([0.8], [], "validation"),
        "history": history() + history(seed=1),
        "trials": TRIALS,
        "evaluation": evaluation("validation", confusion={"digit": counts}, examples={"image": (images, images / 2)}),
        "notes": ["Digits are small."],
    }
    report.write_record(folder, report.Record(**(defaults | changes)))


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("record")
    (folder / "trials.jsonl").write_text("the search's own\n", encoding="utf-8")
    write(folder)
    return folder


class TestRecord:
    def test_files(self, record: Path) -> None:
        assert sorted(path.name for path in record.iterdir()) == [
            *(
                "README.md",
                "config.json",
                "confusion_digit.png",
                "curves.png",
                "environment.json",
                "history.csv",
                "metrics.csv",
            ),
            *("reconstruction_image.png", "record.json", "report.html", "trials.jsonl", "trials.png"),
        ]
        assert (record / "trials.jsonl").read_text(encoding="utf-8") == "the search's own\n"
        for picture in record.glob("*.png"):
            assert picture.stat().st_size < 100_000
            Image.open(picture).verify()

    def test_the_csv_files_hold_every_figure(self, record: Path) -> None:
        with (record / "metrics.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert tuple(rows[0]) == METRICS_COLUMNS
        assert len(rows) == 4 * 3 + 3 + 3 + 3
        assert float(rows[0]["value"]) == 0.70
        with (record / "history.csv").open(encoding="utf-8") as file:
            assert tuple(next(csv.reader(file))) == HISTORY_COLUMNS
            assert sum(1 for _ in file) == len(history()) * 2
        assert json.loads((record / "config.json").read_text(encoding="utf-8")) == CONFIG
        assert json.loads((record / "environment.json").read_text(encoding="utf-8"))["wall_seconds"] == 61.4

    def test_the_page(self, record: Path) -> None:
        page = (record / "README.md").read_text(encoding="utf-8")
        assert page.startswith(
            "# Digits: two tasks\n\n**Over 2 seeds, multi-task training reaches digit accuracy 0.7100 (+0.5 points) and image "
            "mse 0.02000 (+0; lower is better) on the test split, in brackets against single-task baselines; with fewer than 5 "
            "seeds these differences are indicative.**\n\nDoes sharing help?\n"
        )
        assert "mtl-keras tune digits --trials 3" in page
        assert "## Results on the test split" in page
        assert "| digit | accuracy | fraction of rows | ↑ | 36 | 0.7100 ± 0.0141 (2) | 0.7050 ± 0.0071 (2) |" in page
        assert "Search: 3 trials, 1 failed" in page
        assert "The best is trial 2 with a validation skill of 0.6000: learning_rate = 0.001, depth = 1, width = 32." in page
        assert "Wall time 61 s." in page
        assert "With 2 seeds, differences between approaches are indicative" in page
        assert "better than" not in page
        assert page.rstrip().endswith("- Digits are small.")
        assert len(page.splitlines()) < 60
        for link in re.findall(r"\]\((.+?)\)", page):
            assert (record / link).exists()

    @pytest.mark.usefixtures("stub_png")
    def test_the_page_says_what_the_spread_is_of(self, record: Path, tmp_path: Path) -> None:
        assert "over training seeds on one split" in (record / "README.md").read_text(encoding="utf-8")
        write(tmp_path, config={**CONFIG, "split_per_seed": True})
        page = (tmp_path / "README.md").read_text(encoding="utf-8")
        assert "The spread is over splits of one data set" in page
        assert "on one split" not in page

    def test_equal_records_give_equal_files(self, record: Path, tmp_path: Path) -> None:
        write(tmp_path)
        for path in tmp_path.iterdir():
            assert path.read_bytes() == (record / path.name).read_bytes(), path.name

    @pytest.mark.usefixtures("stub_png")
    def test_better_needs_an_interval(self, tmp_path: Path) -> None:
        single = [0.60, 0.70, 0.65, 0.75, 0.68]
        gains = {
            "better": (0.01, 0.02, 0.03, 0.04, 0.05),
            "worse": (-0.01, -0.02, -0.03, -0.04, -0.05),
            "no": (0.1, -0.1, 0.1, 0, -0.1),
        }
        for word, gain in gains.items():
            multi = [value + more for value, more in zip(single, gain, strict=True)]
            write(tmp_path, metrics=rows_of(multi, single), history=[], trials=[], evaluation=evaluation())
            says = (tmp_path / "README.md").read_text(encoding="utf-8").partition("## Findings")[2]
            expected = "no difference from" if word == "no" else f"{word} than"
            assert f"multi-task: {expected} the single-task baseline" in says
            assert "indicative" not in says

    @pytest.mark.usefixtures("stub_png")
    def test_what_there_is_not_is_left_out(self, tmp_path: Path) -> None:
        write(tmp_path, metrics=rows_of([0.7], [], "validation"), history=[], trials=[], evaluation=evaluation("validation"))
        page = (tmp_path / "README.md").read_text(encoding="utf-8")
        assert "## Results on the validation split" in page
        assert "Search:" not in page
        assert "the record has no single-task baselines" in page
        assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".csv", ".html", *[".json"] * 3, ".md"]

    @pytest.mark.usefixtures("stub_png")
    def test_weights_that_move_are_drawn(self, tmp_path: Path) -> None:
        rows = history()
        next(row for row in rows if row["metric"] == "loss_weight")["value"] = 0.5
        write(tmp_path, history=rows, trials=[], evaluation=evaluation())
        assert (tmp_path / "loss_weights.png").exists()


class TestEnvironment:
    def test_it_says_what_a_result_was_made_with(self) -> None:
        found = report.environment(["NVIDIA H100"])
        assert json.loads(json.dumps(found)) == found
        assert found["python"] == ".".join(map(str, sys.version_info[:3]))
        assert found["packages"].keys() == {"mtl-keras", "tensorflow", "keras", "keras-tuner", "numpy"}
        assert found["packages"]["numpy"] == np.__version__
        assert found["cores"] >= 1
        assert found["ram_gib"] > 0.1
        assert found["gpus"] == ["NVIDIA H100"]
        assert found["cpu"]

    def test_the_command_is_what_was_typed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["/home/someone/bin/mtl-keras", "tune", "--set", "width=[1, 2]"])
        assert report.environment()["command"] == "mtl-keras tune --set 'width=[1, 2]'"

    def test_commit(self, tmp_path: Path) -> None:
        def git(*arguments: str) -> str:
            identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
            command = ["git", "-C", str(tmp_path), *identity, *arguments]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

        git("init")
        source = tmp_path / "_environment.py"
        source.write_text("1\n", encoding="utf-8")
        assert _environment._commit(tmp_path) is None
        git("add", ".")
        git("commit", "-m", "one")
        assert _environment._commit(tmp_path) == git("rev-parse", "HEAD")
        source.write_text("2\n", encoding="utf-8")
        assert _environment._commit(tmp_path) == git("rev-parse", "HEAD") + "-dirty"


@pytest.mark.usefixtures("stub_png")
class TestSummary:
    def test_no_record(self, tmp_path: Path) -> None:
        with pytest.raises(MTLError, match=r"at least one record.*results, which holds none"):
            report.write_summary(tmp_path / "results")
        assert list(tmp_path.iterdir()) == []

    def test_all_records(self, tmp_path: Path) -> None:
        rows = rows_of([0.70, 0.72, 0.74], [0.7]) + rows_of([0.9], [], "validation")
        rows += report.metrics_rows(evaluation(accuracy=0.1), run="multi-task", seed=0, phase=0, epoch_kind="last")
        for name in ("digits/b", "digits/a"):
            write(tmp_path / name, title=f"Record {name}", metrics=rows, history=[], trials=[], evaluation=evaluation())
        report.write_summary(tmp_path)
        with (tmp_path / "summary.csv").open(encoding="utf-8") as file:
            summary = list(csv.DictReader(file))
        assert list(summary[0].values()) == [
            *("digits/a", "multi-task", "digit", "accuracy", "fraction of rows", "max", "36", "3", "0.72", "0.02")
        ]
        trivial = next(row for row in summary if row["run"] == "trivial")
        assert (trivial["mean"], trivial["seeds"], trivial["sd"]) == ("0.5", "", "")
        assert [row["record"] for row in summary] == ["digits/a"] * 9 + ["digits/b"] * 9
        page = (tmp_path / "README.md").read_text(encoding="utf-8")
        assert page.index("[Record digits/a](digits/a/README.md)") < page.index("[Record digits/b](digits/b/README.md)")
        assert "0.7200 ± 0.0200 (3)" in page
        report.write_summary(tmp_path)
        assert (tmp_path / "README.md").read_text(encoding="utf-8") == page

"""Records of several approaches: page, summary, and reading them back."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from mtl_keras import report
from mtl_keras.errors import MTLError
from tests._approaches import BASELINES, BETTER, PUBLISHED, ROWS, history, row, rows_of


def write(folder: Path, **changes: Any) -> str:
    defaults: dict[str, Any] = {
        "title": "Which order",
        "question": "Does the order of tasks matter?",
        "command": "mtl-keras compare orders",
        "config": {},
        "environment": {},
        "metrics": ROWS,
        "history": history("joint", fine=1.0, image=2.0) + history("fine then coarse", fine=2.0, image=2.0),
    }
    report.write_record(folder, report.Record(**(defaults | changes)))
    return (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("stub_png")
class TestRecord:
    def test_a_comparison(self, tmp_path: Path) -> None:
        claims = [{"claim": "Joint training is better.", "verdict": "Confirmed."}]
        page = write(tmp_path, published=PUBLISHED, claims=claims)
        assert "| published | best epoch | last epoch | − single-task | p | p, Holm | trivial |" in page
        assert page.count("| joint | ") == 3
        assert "![approaches](approaches.png)" in page
        for link in re.findall(r"\]\((.+?)\)", page):
            assert (tmp_path / link).exists(), link
        assert {"approaches.png", "gains.png", "totals.png", "curves.png"} <= {path.name for path in tmp_path.iterdir()}
        assert "## Published claims and what was found\n\n- Joint training is better. **Confirmed.**\n" in page
        assert "[published.csv](published.csv); Table 2; read off Fig. 3." in page
        assert (
            "- joint: mean skill 0.3530 over 5 seeds; no difference from its single-task baselines shown in fine accuracy, i"
            in page
        )
        assert page.startswith(
            "# Which order\n\n**Of 2 approaches, joint has the highest mean skill on the test split (0.3530)"
        )
        with (tmp_path / "published.csv").open(encoding="utf-8", newline="") as file:
            assert [line["value"] for line in csv.DictReader(file)] == ["0.7", "0.02 to 0.03"]

    def test_what_there_is_not_is_left_out(self, tmp_path: Path) -> None:
        # Baselines of other seeds gain nothing, and no run has both losses.
        baselines = [{**line, "seed": line["seed"] + 10} for line in rows_of("single-task", BASELINES)]
        lines = history("a", fine=1.0) + history("b", image=1.0)
        page = write(tmp_path, metrics=[*rows_of("a", [0.7]), *rows_of("b", [0.6]), *baselines], history=lines)
        assert {path.name for path in tmp_path.glob("*.png")} == {"approaches.png", "curves.png"}
        assert "published" not in page
        assert "With 1 seed, differences between approaches are indicative" in page

    def test_one_approach_keeps_the_wide_table(self, tmp_path: Path) -> None:
        page = write(tmp_path, metrics=[*rows_of("joint", BETTER), *rows_of("single-task", BASELINES)])
        assert "| task | metric | unit | better | n | joint | single-task | joint − single-task |" in page
        assert {path.name for path in tmp_path.glob("*.png")} == {"curves.png"}

    def test_incomplete_rows_are_refused_before_anything_is_written(self, tmp_path: Path) -> None:
        with pytest.raises(MTLError, match="Each row of `published` must have run, task, metric, value, note"):
            write(tmp_path, published=[{"run": "joint", "value": 1}])
        with pytest.raises(MTLError, match="Each row of `claims` must have claim, verdict"):
            write(tmp_path, claims=[{"claim": "Sharing helps."}])
        assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("stub_png")
class TestSummary:
    def test_comparisons_have_the_long_table(self, tmp_path: Path) -> None:
        write(tmp_path / "orders/a", published=PUBLISHED)
        write(tmp_path / "orders/b", title="One", metrics=[*rows_of("joint", BETTER), *rows_of("single-task", BASELINES)])
        assert report.write_summary(tmp_path) == ["orders/a", "orders/b"]
        page = (tmp_path / "README.md").read_text(encoding="utf-8")
        first, second = page.split("\n## ")[1:]
        assert "| theirs | image | mse | ↓ | 0.02 to 0.03 |" in first
        assert "p: paired t test" in first
        assert "| joint − single-task |" in second
        assert "p: paired t test" not in second
        with (tmp_path / "summary.csv").open(encoding="utf-8", newline="") as file:
            runs = [line["run"] for line in csv.DictReader(file) if line["record"] == "orders/a"]
        assert set(runs) == {"joint", "fine then coarse", "single-task", "trivial"}

    def test_another_page_is_not_replaced(self, tmp_path: Path) -> None:
        write(tmp_path)
        before = (tmp_path / "README.md").read_bytes()
        with pytest.raises(MTLError, match="must be one that write_summary wrote"):
            report.write_summary(tmp_path)
        assert (tmp_path / "README.md").read_bytes() == before
        assert not (tmp_path / "summary.csv").exists()

    def test_another_table_is_not_replaced(self, tmp_path: Path) -> None:
        write(tmp_path / "a")
        (tmp_path / "summary.csv").write_text("weight,height\n80,181\n", encoding="utf-8")
        with pytest.raises(MTLError, match=r"summary\.csv must be one that write_summary wrote"):
            report.write_summary(tmp_path)
        assert (tmp_path / "summary.csv").read_text(encoding="utf-8") == "weight,height\n80,181\n"

    @pytest.mark.parametrize("text", ["a,b\n1,2\n", "run,value,n\njoint,high,3\n", "run,value,n\njoint,0.5,3\n"])
    def test_a_table_of_another_kind_is_refused(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        (tmp_path / "other/metrics.csv").write_text(text, encoding="utf-8")
        with pytest.raises(MTLError, match=r"must hold config\.json, environment\.json.*other without config\.json"):
            report.write_summary(tmp_path)
        for name in ("config.json", "environment.json"):
            (tmp_path / "other" / name).write_text("{}", encoding="utf-8")
        with pytest.raises(MTLError, match=r"other/metrics\.csv, line 1: it must have the columns run, seed"):
            report.write_summary(tmp_path)
        assert not (tmp_path / "README.md").exists()


MANY = 12


@pytest.mark.usefixtures("stub_png")
def test_of_many_tasks_a_page_shows_those_that_most_approaches_have(tmp_path: Path) -> None:
    sizes = {"few": 3, "more": 5, "many": MANY + 20}
    rows = [row(run, 0, f"t{number}", "accuracy", 0.9) for run, count in sizes.items() for number in range(count)]
    page = write(tmp_path, metrics=rows, history=[])
    assert sorted(set(re.findall(r"\| (t\d+) \|", page))) == ["t0", "t1", "t2", "t3", "t4"]
    assert "27 more tasks, which fewer approaches have, are in [metrics.csv](metrics.csv)." in page


@pytest.mark.usefixtures("stub_png")
def test_tasks_that_a_page_leaves_out_for_their_number_are_not_said_to_be_rare(tmp_path: Path) -> None:
    for more, said in ((1, "1 more task is in"), (2, "2 more tasks are in")):
        rows = [row("joint", 0, f"t{number}", "accuracy", 0.9) for number in range(MANY + more)]
        page = write(tmp_path / str(more), metrics=rows, history=[])
        assert f"\n{said} [metrics.csv](metrics.csv).\n" in page


@pytest.mark.usefixtures("stub_png")
def test_a_mean_over_hidden_tasks_is_not_compared_with_baselines(tmp_path: Path) -> None:
    rows = [row("many", seed, f"t{number}", "accuracy", 0.9) for seed in (0, 1) for number in range(MANY + 1)]
    rows += [row("single-task", seed, f"t{number}", "accuracy", 0.8) for seed in (0, 1) for number in range(MANY)]
    rows += [row(run, seed, "all", "skill", 0.5) for run in ("many", "single-task") for seed in (0, 1)]
    rows += [row("few", seed, "t0", "accuracy", 0.9) for seed in (0, 1)]
    page = write(tmp_path, metrics=rows, history=[])
    (line,) = [line for line in page.splitlines() if line.startswith("| many | all | skill ")]
    assert "indicative" not in line


@pytest.mark.usefixtures("stub_png")
class TestReading:
    def test_a_record_is_read_back_and_written_again(self, tmp_path: Path) -> None:
        claims = [{"claim": "Joint training is better.", "verdict": "Confirmed."}]
        table = report.Table("| a |\n|---|\n| 1 |", "One number.")
        write(
            tmp_path / "one", published=PUBLISHED, claims=claims, notes=["Small."], summaries={"joint": "Both."}, tables=[table]
        )
        again = report.read_record(tmp_path / "one")
        assert (again.title, again.claims, again.notes, again.summaries) == (
            "Which order",
            claims,
            ["Small."],
            {"joint": "Both."},
        )
        assert again.tables == [table]
        assert again.metrics == ROWS
        report.write_record(tmp_path / "two", again)
        for path in (tmp_path / "one").iterdir():
            assert (tmp_path / "two" / path.name).read_bytes() == path.read_bytes(), path.name

    def test_own_plots_come_first_and_pictures_without_rows_are_kept(self, tmp_path: Path) -> None:
        own = report.Picture("own.png", "own plot", lambda: report.plot_approaches(ROWS))
        page = write(tmp_path, plots=[own])
        assert "![own plot](own.png)" in page
        assert "[approaches](approaches.png)" in page
        before = (tmp_path / "own.png").read_bytes()
        report.write_record(tmp_path, report.read_record(tmp_path))
        assert (tmp_path / "README.md").read_text(encoding="utf-8") == page
        assert (tmp_path / "own.png").read_bytes() == before

    def test_files_without_roles_and_captions_are_read(self, tmp_path: Path) -> None:
        write(tmp_path)
        (tmp_path / "record.json").unlink()
        for name in ("metrics.csv", "history.csv"):
            lines = (tmp_path / name).read_text(encoding="utf-8").splitlines()
            (tmp_path / name).write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n", encoding="utf-8")
        old = report.read_record(tmp_path)
        assert old.metrics == ROWS
        assert {each["role"] for each in old.history} == {"approach"}
        assert "training" not in old.title
        assert {each.name for each in old.plots} == {path.name for path in tmp_path.glob("*.png")}

    @pytest.mark.parametrize(
        ("name", "old", "new", "said"),
        [
            ("metrics.csv", b"0.", b"O.", "metrics.csv, line 2: could not convert string to float"),
            ("metrics.csv", b",best,", b",", "metrics.csv, line 2: it has not as many values as there are columns, 12"),
            ("metrics.csv", b"run,", b"ruin,", "metrics.csv, line 1: it must have the columns run, seed"),
            ("history.csv", b",validation,", b",\xff,", "history.csv, line 3: it is not UTF-8"),
            ("config.json", b"{", b"[", "config.json, line 1: Expecting"),
            ("environment.json", b"{", b"", "environment.json, line 1: Expecting value"),
            (
                "record.json",
                b'"caption"',
                b'"capt"',
                "record.json: its pictures, tables and budgets must be as",
            ),
        ],
    )
    def test_a_damaged_file_is_named_with_its_line(self, name: str, old: bytes, new: bytes, said: str, tmp_path: Path) -> None:
        write(tmp_path)
        content = (tmp_path / name).read_bytes()
        assert old in content
        (tmp_path / name).write_bytes(content.replace(old, new, 1))
        with pytest.raises(MTLError) as refused:
            report.read_record(tmp_path)
        assert f"Received: {tmp_path}/{said}" in str(refused.value)
        assert "\n" not in str(refused.value)

    def test_a_folder_without_a_record(self, tmp_path: Path) -> None:
        with pytest.raises(MTLError, match="Name the folder of a record"):
            report.read_record(tmp_path)

    def test_notebooks_show_pictures_and_tables(self) -> None:
        picture = report.Picture("own.png", "own plot", lambda: report.plot_approaches(ROWS))
        assert "PNG" in str(picture._repr_png_())
        assert report.Picture("own.png", "own plot")._repr_png_() is None
        assert report.Table("| a |", "One.")._repr_markdown_() == "| a |\n\nOne."

"""report.html: what it holds, that it stays safe with any text, and how it looks to a browser."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mtl_keras as mtl
from mtl_keras import inspection, report
from mtl_keras.calibration import Reliability
from mtl_keras.errors import MTLError
from mtl_keras.pages import image_uri
from mtl_keras.report._html_parts import from_markdown, inline
from mtl_keras.report._importance import importance
from mtl_keras.runs import describe_delivered
from tests import _tiny
from tests._browser import browser, opened
from tests._scores import evaluation, history, rows_of, trial

EVIL = "<script>alert('&amp;\"')</script>"
RESULTS = Path(__file__).parent.parent / "results"
ORDER = [
    "setting",
    "data",
    "results",
    "curves",
    "classes",
    "reliability",
    "search",
    "weights",
    "mistakes",
    "card",
    "environment",
]
PICTURE = image_uri(np.zeros((4, 4, 3), np.uint8), "png")


def details(name: str = "cat", **changes: Any) -> report.TaskDetails:
    bins = Reliability((0,) * 14 + (40,), (float("nan"),) * 14 + (0.95,), (float("nan"),) * 14 + (0.75,))
    values: dict[str, Any] = {
        "kind": "Classification",
        "labeled": {"train": 80, "validation": 40},
        "classes": (name, "dog"),
        "class_rows": {"train": (50, 30), "validation": (20, 20)},
        "counts": ((18, 22, 20), (16, 18, 20)),
        "reliability": (bins,),
        "wrong": 6,
        "mistakes": (report.Mistake(7, f"{name} (0.01)", "dog (0.99)", PICTURE, PICTURE, "dog"),),
    }
    return report.TaskDetails(**{**values, **changes})


def delivered(name: str = "cat", **changes: Any) -> report.Delivered:
    return report.Delivered(
        "multi-task",
        1,
        "validation",
        {"input": (8, 8, 1)},
        {"train": 100, "validation": 40},
        {"digit": details(name, **changes)},
        (report.Sample(PICTURE, f"digit: {name}"),),
    )


def whole(text: str = "cat", **changes: Any) -> report.Record:
    counts = np.random.default_rng(0).integers(0, 90, (2, 2))
    trials = [trial(number, 0.5 + 0.04 * number, rate=10.0**-number, kind="ab"[number % 2]) for number in range(12)]
    values: dict[str, Any] = {
        "title": f"Digits {text}",
        "question": "Does sharing help?",
        "command": f"mtl-keras tune digits --name '{text}'",
        "config": {"study": "digits", "name": text},
        "environment": {**report.environment(), "sessions": [{"began": "2026-11-28T01:02:03+00:00", "commit": "a" * 40}]},
        "metrics": rows_of([0.70, 0.72], [0.70, 0.71]),
        "history": history() + history(seed=1),
        "trials": trials,
        "evaluation": evaluation("validation", confusion={"digit": counts}),
        "notes": [r"Digits are \<small\>."],
        "budgets": [report.Budget("multi-task", ("digit", "image"), 80, 3)],
        "delivered": delivered(text),
    }
    return report.Record(**{**values, **changes})


def written(folder: Path, record: report.Record) -> str:
    report.write_record(folder, record)
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("record")
    written(folder, whole())
    return folder


class TestContent:
    def test_it_holds_all_parts_in_their_order(self, folder: Path) -> None:
        text = (folder / "report.html").read_text(encoding="utf-8")
        assert re.findall(r'<h2 id="(\w+)">', text) == ORDER
        assert re.findall(r'<li><a href="#(\w+)">', text) == ORDER
        record = report.read_record(folder)
        shown = ("2026-11-28, commit aaaaaaaaaaaa<", "14.3 %", "ECE 0.200", "true <strong>cat (0.01)</strong>", "6 of 40")
        for part in (*shown, "Importance of hyperparameters", "Not tested:", "Digits are &lt;small&gt;."):
            assert part in text, part
        assert inline(record.finding) in text
        assert text.count("data:image/png;base64,") == len([*folder.glob("*.png")]) + 3

    def test_what_there_is_not_has_no_section(self, tmp_path: Path) -> None:
        few = report.Record("One", "", "", {}, {}, rows_of([0.7], [], "validation"))
        text = written(tmp_path, few)
        assert re.findall(r'<h2 id="(\w+)">', text) == ["setting", "results", "environment"]
        assert not (tmp_path / "delivered.json").exists()

    def test_it_is_read_back_and_written_again_the_same(self, folder: Path, tmp_path: Path) -> None:
        copy = Path(shutil.copytree(folder, tmp_path / "copy"))
        (copy / "trials.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in whole().trials), encoding="utf-8")
        again = report.read_record(copy).delivered
        assert again is not None
        assert json.dumps(again.config()) == json.dumps(delivered().config())
        page = report.write_page(copy)
        assert page.read_bytes() == (folder / "report.html").read_bytes()

    def test_without_the_file_of_the_images_there_are_none(self, folder: Path, tmp_path: Path) -> None:
        copy = Path(shutil.copytree(folder, tmp_path / "copy"))
        assert "This page contains 2 images of the data" in (copy / "report.html").read_text(encoding="utf-8")
        (copy / "delivered.json").unlink()
        assert "images of the data" not in report.write_page(copy).read_text(encoding="utf-8")

    def test_pictures_are_left_out_before_the_page_becomes_large(self, tmp_path: Path) -> None:
        written(tmp_path, whole())
        noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3)).astype(np.uint8)
        Image.fromarray(noise).save(tmp_path / "totals.png")
        page = report.write_page(tmp_path)
        assert page.stat().st_size < 3_000_000
        record = report.read_record(tmp_path)
        report.write_record(tmp_path, replace(record, plots=[*record.plots, report.Picture("totals.png", "sum")]))
        text = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert "Left out, so that the page stays small: totals.png." in text
        assert len(text) < 3_000_000

    def test_every_text_is_escaped(self, tmp_path: Path) -> None:
        text = written(tmp_path, whole(EVIL))
        assert text.count("<script") == 1
        assert "alert('&amp;\"')" not in text.replace("&amp;amp;", "")
        assert not re.search(r"""(src|href)=["'](?!data:image/|#)""", text)
        assert "default-src 'none'" in text

    def test_a_committed_record_gets_its_page(self, tmp_path: Path) -> None:
        copy = Path(shutil.copytree(RESULTS / "clothing" / "2026-11-28", tmp_path / "clothing"))
        text = report.write_page(copy).read_text(encoding="utf-8")
        assert len(text) < 1_000_000
        assert "Blazer" in text


@pytest.mark.parametrize(
    ("text", "html"),
    [
        (r"a\_b \*c\*", "a_b *c*"),
        ("`<x>` and `` `y` ``", "<code>&lt;x&gt;</code> and <code>`y`</code>"),
        ("**a** [b](c.md)", "<strong>a</strong> b"),
        ("[b](https://x.org/?a=1&b=2)", '<a href="https://x.org/?a=1&amp;b=2">b</a>'),
        ("[b](javascript:alert(1))", "b)"),
        ("1 < 2 & 3", "1 &lt; 2 &amp; 3"),
    ],
)
def test_lines_of_markdown_become_html(text: str, html: str) -> None:
    assert inline(text) == html


def test_tables_of_markdown_become_html() -> None:
    text = from_markdown("| a\\|b | n |\n| :--- | ---: |\n| <i> | 1.5 |\n", "What\\_is it")
    assert '<th scope="col">a|b</th><th scope="col" class="number">n</th>' in text
    assert '<td>&lt;i&gt;</td><td class="number">1.5</td>' in text
    assert "<caption><span>What_is it</span></caption>" in text
    long = from_markdown("| a |\n| :--- |\n| b |\n", f"Means, {'and more ' * 20}.")
    assert "<caption><span>Means</span></caption>" in long
    assert long.endswith(f'<p class="soft">Means, {"and more " * 20}.</p>')


class TestDelivered:
    def test_a_run_describes_its_model(self) -> None:
        data, model = _tiny.data(absent={"train": {"odd": slice(0, 6)}}), _tiny.model()
        found = describe_delivered(model, data, mtl.evaluate(model, data), run="a", seed=0)
        assert found.rows == {"train": 36, "validation": 20}
        assert found.tasks.keys() == {"kind", "odd"}
        odd = found.tasks["odd"]
        assert (odd.labeled["train"], sum(odd.class_rows["train"]), sum(odd.class_rows["validation"])) == (30, 30, 20)
        assert odd.wrong == 20 - sum(hits for hits, _, _ in odd.counts)
        assert 0 < len(odd.mistakes) <= 6
        assert all(each.image and each.heat and each.explained == each.predicted.split()[0] for each in odd.mistakes)
        assert len(found.samples) == 8
        assert len(json.dumps(found.config())) < 200_000
        assert report.Delivered.from_config(json.loads(json.dumps(found.config()))).config() == found.config()

    def test_rows_of_numbers_have_mistakes_without_pictures(self) -> None:
        rng = np.random.default_rng(0)
        tasks = mtl.Tasks(mtl.Regression("price"), mtl.MultiLabel("tags", classes=["x", "y"]), mtl.Regression("at", size=2))

        def rows() -> Any:
            x = rng.normal(size=(30, 3)).astype(np.float32)
            return x, {"price": x[:, 0], "tags": (x[:, :2] > 0).astype(float), "at": x[:, 1:]}

        data = mtl.data.from_arrays(tasks, rows(), rows())
        model = mtl.build_model(tasks, "MLP", image_shape=(3,))
        model.set_units({name: data.train.y[name] for name in ("price", "at")})
        found = describe_delivered(model, data, mtl.evaluate(model, data), run="a", seed=0)
        assert found.samples == ()
        assert not any(each.image or each.heat for task in found.tasks.values() for each in task.mistakes)
        assert (found.tasks["price"].wrong, found.tasks["price"].classes) == (None, ())
        assert {*re.split(", | and ", found.tasks["tags"].mistakes[0].truth)} <= {"x", "y", "none"}

    def test_of_several_inputs_the_images_are_shown(self) -> None:
        tasks = mtl.Tasks(mtl.Binary("odd"))

        def rows(seed: int) -> Any:
            images, columns = _tiny.rows(24, seed)
            return {"photo": images, "age": np.arange(48, dtype=np.float32).reshape(24, 2)}, columns

        data = mtl.data.from_arrays(tasks, rows(0), rows(1))
        model = mtl.build_model(tasks, {"photo": _tiny.BACKBONE, "age": "MLP"}, image_shape=data.image_shape)
        found = describe_delivered(model, data, mtl.evaluate(model, data), run="a", seed=0)
        assert found.inputs == {"photo": (8, 8, 1), "age": (2,)}
        assert len(found.samples) == 8
        assert all(each.image and not each.heat for each in found.tasks["odd"].mistakes)
        with pytest.raises(MTLError, match="must have a feature map"):
            mtl.explain.grad_cam(model, data.validation.x, "odd")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"rows": {"train": -1}}, "rows['train']=-1"),
            ({"samples": [{"image": "javascript:alert(1)", "text": "a"}]}, "must be an image within the page"),
            ({"samples": [{"image": 'data:image/png;base64,AA" onload="x', "text": "a"}]}, "must be an image within the page"),
            ({"tasks": {"digit": {}}}, "reliability"),
            ({"more": 1}, "more"),
        ],
    )
    def test_a_changed_file_is_refused_in_one_line(
        self, change: dict[str, Any], message: str, folder: Path, tmp_path: Path
    ) -> None:
        copy = Path(shutil.copytree(folder, tmp_path / "copy"))
        (copy / "delivered.json").write_text(json.dumps({**delivered().config(), **change}), encoding="utf-8")
        with pytest.raises(MTLError, match=r"delivered\.json") as caught:
            report.read_record(copy)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


class TestImportance:
    def test_what_the_skill_depends_on_comes_first(self) -> None:
        rng = np.random.default_rng(0)
        rates = rng.uniform(size=40).tolist()
        settings = [{"rate": rate, "kind": "ab"[rng.integers(2)], "same": 1} for rate in rates]
        found = importance(settings, rates)
        assert found is not None
        assert next(iter(found.shares)) == "rate"
        assert found.shares["rate"] > 0.9
        assert sum(found.shares.values()) == pytest.approx(1)
        assert "same" not in found.shares
        assert found.r2 > 0.8

    def test_of_noise_it_explains_nothing_and_of_few_trials_nothing_is_said(self) -> None:
        rng = np.random.default_rng(0)
        settings = [{"rate": float(rng.uniform())} for _ in range(30)]
        found = importance(settings, rng.uniform(size=30).tolist())
        assert found is not None
        assert found.r2 <= 0.1
        assert importance(settings[:9], [0.1] * 8 + [0.2]) is None
        assert importance([{"a": 1}] * 12, [0.1] * 12) is None


class TestIndex:
    def test_it_links_to_the_page_of_each_record(self, folder: Path, tmp_path: Path) -> None:
        one, two = (Path(shutil.copytree(folder, tmp_path / name)) for name in ("a b", "c"))
        (two / "report.html").unlink()
        index = report.write_index(tmp_path / "index.html", [one, two])
        text = index.read_text(encoding="utf-8")
        assert re.findall(r'href="([^"]+)"', text) == ["a%20b/report.html", "c/report.html"]
        assert (two / "report.html").exists()
        assert "2026-11-28" in text
        assert report.write_index(index, [one]) == index

    def test_what_is_no_index_is_not_replaced(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "mine.html").write_text("mine", encoding="utf-8")
        with pytest.raises(MTLError, match="must be new, or an index"):
            report.write_index(tmp_path / "mine.html", [folder])
        with pytest.raises(MTLError, match="at least one folder"):
            report.write_index(tmp_path / "index.html", [])


@pytest.fixture(scope="module")
def started() -> Iterator[Any]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def pages(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("pages")
    many = Path(shutil.copytree(RESULTS / "clothing" / "2026-11-28", place / "clothing"))
    found = inspection.Finding("mine", "warning", "a", "Found.", "Do this.", rows=(1, 2))
    counts = inspection.Counts("Counts", ("name", "rows"), (("a", 2), ("b", 3)), bars="rows")
    check = place / "check.html"
    check.write_text(inspection.page(inspection.Report("t", 3, (counts,), (found,))), encoding="utf-8")
    return {
        "record": folder / "report.html",
        "comparison": report.write_page(many),
        "index": report.write_index(place / "index.html", [many]),
        "check": check,
    }


@pytest.mark.browser
class TestBrowser:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [1280, 390])
    @pytest.mark.parametrize("name", ["record", "comparison", "index", "check"])
    def test_nothing_is_wrong(self, started: Any, pages: dict[str, Path], name: str, width: int, scheme: str) -> None:
        with opened(started, pages[name], width, scheme) as seen:
            assert seen.violations() == []
            assert seen.logged == []
            assert [url for url in seen.asked if not url.startswith(("data:", "file:"))] == []
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= width, "only tables and plots scroll sideways"
            assert seen.page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth)")

    def test_the_test_sees_what_is_wrong(self, started: Any, tmp_path: Path) -> None:
        bad = "<title>t</title><img src='x.png'><p style='color:#eee'>pale</p><script>console.log('said')</script>"
        (tmp_path / "bad.html").write_text(f"<!DOCTYPE html><html>{bad}", encoding="utf-8")
        with opened(started, tmp_path / "bad.html", 1280, "light") as seen:
            found = [each.partition(":")[0] for each in seen.violations()]
            assert {"image-alt", "html-has-lang", "color-contrast"} <= {*found}
            assert "said" in seen.logged

    def test_tables_are_sorted_and_can_be_read_without_a_script(self, started: Any, pages: dict[str, Path]) -> None:
        first = "section[aria-labelledby=classes] table.sortable"
        with opened(started, pages["comparison"], 1280, "light") as seen:
            table = seen.page.locator(first).first
            names = table.locator("tbody td:first-child").all_inner_texts()
            assert names == sorted(names)
            table.get_by_role("button", name="n", exact=True).click()
            counts = [int(text.replace(",", "")) for text in table.locator("tbody td:last-child").all_inner_texts()]
            assert counts == sorted(counts)
            table.get_by_role("button", name="n", exact=True).click()
            again = [int(text.replace(",", "")) for text in table.locator("tbody td:last-child").all_inner_texts()]
            assert again == counts[::-1]
            assert table.locator("th[aria-sort=descending]").count() == 1
        with opened(started, pages["comparison"], 1280, "light", script=False) as seen:
            assert seen.page.locator("th button").count() == 0
            assert seen.page.locator(first).first.locator("tbody tr").count() == len(names)

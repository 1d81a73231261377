"""One page and one table over all records."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtl_keras.errors import MTLError
from mtl_keras.files import atomic
from mtl_keras.report._baselines import TRIVIAL
from mtl_keras.report._page import LEGEND, is_comparison, result
from mtl_keras.report._record import write_csv
from mtl_keras.report._rows import METRICS_COLUMNS
from mtl_keras.report._statistics import mean, sample_sd

__all__ = ["write_summary"]

HEADING = (
    "# Results\n\nGenerated from the records by `mtl_keras.report.write_summary`; all figures: [summary.csv](summary.csv)."
)
SUMMARY_COLUMNS = ("record", "run", "task", "metric", "unit", "direction", "n", "seeds", "mean", "sd")


def write_summary(results_folder: str | Path) -> list[str]:
    """Write README.md and summary.csv of a folder of records from the records themselves: test split, best epoch.

    Equal records give equal files, byte for byte, so that a test can tell whether the committed ones are current.

    Args:
        results_folder: Holds `<study>/<record>/metrics.csv` at any depth; made if it does not exist.

    Returns:
        Where the records lie, relative to the folder, in the order of the page.

    Raises:
        MTLError: If the folder cannot be written, has a README.md of another origin, or a metrics.csv is none of ours.
    """
    folder = Path(results_folder)
    page = folder / "README.md"
    if page.exists() and not page.read_text(encoding="utf-8").startswith(HEADING):
        raise MTLError(
            f"A summary replaces no page but its own. Received: {folder}, whose README.md was not made by write_summary. "
            "Give the folder above the records, or move that page away."
        )
    records = {path.parent: _read_metrics(path) for path in sorted(folder.rglob("metrics.csv"))}
    summary = [row for path, rows in records.items() for row in _summary_rows(path.relative_to(folder).as_posix(), rows)]
    parts = [HEADING, f"Test split. {LEGEND}" if records else "There is no record yet."]
    for path, rows in records.items():
        published = _read_csv(path / "published.csv") if (path / "published.csv").exists() else []
        table, legend = result(rows, "test", published)
        parts += [f"## [{_title(path)}]({path.relative_to(folder).as_posix()}/README.md)", table]
        parts += [legend] if is_comparison(rows, published) else []
    write_csv(folder / "summary.csv", SUMMARY_COLUMNS, summary)
    with atomic(page) as temporary:
        temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return [path.relative_to(folder).as_posix() for path in records]


def _read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _read_metrics(path: Path) -> list[dict[str, Any]]:
    try:
        rows = [{**row, "value": float(row["value"]), "n": int(row["n"])} for row in _read_csv(path)]
    except (KeyError, TypeError, ValueError):
        rows = [{}]
    if any(set(row) != set(METRICS_COLUMNS) for row in rows):
        raise MTLError(
            f"A record's metrics.csv has the columns {', '.join(METRICS_COLUMNS)}, `value` and `n` being numbers. Received: "
            f"{path}. Write records with write_record, or move that file away."
        )
    return rows


def _title(record: Path) -> str:
    """Return the heading of a record's page; its path where there is none."""
    page = record / "README.md"
    first = page.read_text(encoding="utf-8").partition("\n")[0] if page.exists() else ""
    return first.removeprefix("# ").strip() or f"{record.parent.name}/{record.name}"


def _summary_rows(record: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for each approach, task and metric; the trivial predictor has no seeds."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["split"] == "test" and (row["epoch_kind"] == "best" or row["run"] == TRIVIAL):
            groups.setdefault((row["run"], row["task"], row["metric"]), []).append(row)
    return [
        {
            "record": record,
            "run": run,
            "task": task,
            "metric": metric,
            "unit": group[0]["unit"],
            "direction": group[0]["direction"],
            "n": group[0]["n"],
            "seeds": len(group) if run != TRIVIAL else "",
            "mean": f"{mean([row['value'] for row in group]):.6g}",
            "sd": f"{sample_sd([row['value'] for row in group]):.6g}" if len(group) > 1 else "",
        }
        for (run, task, metric), group in groups.items()
    ]

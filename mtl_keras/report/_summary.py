"""One page and one table over all records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mtl_keras.errors import MTLError, check_path
from mtl_keras.files import atomic
from mtl_keras.report._csv import write_csv
from mtl_keras.report._markdown import escaped
from mtl_keras.report._page import LEGEND, budgets, result_table
from mtl_keras.report._record_folder import read_record
from mtl_keras.report._rows import MetricsRow
from mtl_keras.report._tables import is_comparison
from mtl_keras.report._text import format_range
from mtl_keras.report.statistics import mean, sample_sd

__all__ = ["write_summary"]

HEADING = "# Results\n\nGenerated from the records by `mtl-keras report`. All values: [summary.csv](summary.csv)."
#: The first words of every page that this module has written.
OWN_PAGE = "# Results\n\nGenerated from the records by "
SUMMARY_COLUMNS = ("record", "run", "task", "metric", "unit", "direction", "n", "seeds", "mean", "sd")


def write_summary(results_folder: str | Path) -> list[str]:
    """Write README.md and summary.csv of a folder of records: test split, best epoch.

    Equal records give equal files, so that a test can tell whether the committed ones are current.

    Args:
        results_folder: Holds `<study>/<record>/metrics.csv` at any depth.

    Returns:
        Paths of the records relative to the folder, in the order of the page.

    Raises:
        MTLError: If the folder holds no record or cannot be written, has a README.md or summary.csv of another origin, or a
            metrics.csv in it belongs to no record.
    """
    folder = Path(check_path("results_folder", results_folder))
    page, table = folder / "README.md", folder / "summary.csv"
    for file, begins in ((page, OWN_PAGE), (table, ",".join(SUMMARY_COLUMNS))):
        if file.exists() and not file.read_bytes().startswith(begins.encode()):
            raise MTLError(
                f"{file.name} must be one that write_summary wrote. Received: {folder}, whose {file.name} is another. Pass as "
                "`results_folder` the folder above the records, or move that file away."
            )
    paths = [path.parent for path in sorted(folder.rglob("metrics.csv"))]
    if not paths:
        raise MTLError(
            f"`results_folder` must hold at least one record, a folder with a metrics.csv. Received: {folder}, which "
            "holds none. Give the folder above the records."
        )
    names = [path.relative_to(folder).as_posix() for path in paths]
    summary: list[dict[str, Any]] = []
    parts = [HEADING, f"Test split. {LEGEND}"]
    records = {name: read_record(path, history=False) for path, name in zip(paths, names, strict=True)}
    titles = Counter(record.title for record in records.values())
    for name, record in records.items():
        # Of several records with one title, the folder says which is which.
        title = record.title if titles[record.title] == 1 else f"{record.title}, {name}"
        summary += _summary_rows(name, record.metrics)
        scores, legend = result_table(escaped(record))
        parts += [f"## [{title}]({quote(name)}/README.md)", record.finding]
        parts += [f"On the {record.split} split: there are no test values.", scores] if record.split != "test" else [scores]
        parts += [legend] if is_comparison(record.metrics, record.published) else []
        # No published value stands without what it was reached with.
        parts += budgets(escaped(record), f"{name}/") if record.published else []
    write_csv(table, SUMMARY_COLUMNS, summary)
    with atomic(page) as temporary:
        temporary.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    return names


def _summary_rows(record: str, rows: Sequence[MetricsRow]) -> list[dict[str, Any]]:
    """Return one row for each approach, task and metric; the trivial predictor has no seeds."""
    groups: dict[tuple[str, str, str], list[MetricsRow]] = {}
    for row in rows:
        if row["split"] == "test" and row["epoch_kind"] in ("best", ""):
            groups.setdefault((row["run"], row["task"], row["metric"]), []).append(row)
    return [
        {
            "record": record,
            "run": run,
            "task": task,
            "metric": metric,
            "unit": group[0]["unit"],
            "direction": group[0]["direction"],
            "n": format_range({row["n"] for row in group}),
            "seeds": len(group) if group[0]["role"] != "trivial" else "",
            "mean": f"{mean([row['value'] for row in group]):.6g}",
            "sd": f"{sample_sd([row['value'] for row in group]):.6g}" if len(group) > 1 else "",
        }
        for (run, task, metric), group in groups.items()
    ]

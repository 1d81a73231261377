"""Published values of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["published_rows"]


def published_rows(values: Mapping[str, float], metric: str, note: str, **more: str) -> tuple[dict[str, Any], ...]:
    """Return the rows of values that stand on the same budget, as a `Configuration` takes them.

    Args:
        values: A value for each task.
        metric: Their metric.
        note: Where they come from, and what they were trained and measured on.
        **more: Further entries; `run` for those of baselines.
    """
    return tuple({"task": task, "metric": metric, "value": value, "note": note, **more} for task, value in values.items())

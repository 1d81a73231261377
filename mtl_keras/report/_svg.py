"""Small drawings that a page holds as SVG: they take the colors of the page, in light and dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mtl_keras.calibration import Reliability

__all__ = ["coordinates", "reliability_diagram"]

#: Size of a reliability diagram, and of the frame around its square.
SIDE, EDGE = 180, 30
#: Size of parallel coordinates: width of an axis, height, and room above and below.
AXIS, HIGH, ROOM = 96, 220, 40


def reliability_diagram(bins: Reliability, name: str) -> str:
    """Return frequency against probability, a bar for each bin, with the diagonal of perfect probabilities."""
    number, size = len(bins.counts), SIDE + 2 * EDGE
    most = max(bins.counts)
    bars = []
    for place, (count, frequency) in enumerate(zip(bins.counts, bins.frequency, strict=True)):
        if count:
            high = max(SIDE * frequency, 1.0)
            # Bins of few rows are paler.
            opacity = 0.3 + 0.7 * count / most
            bars.append(
                f'<rect x="{EDGE + SIDE * place / number:.1f}" y="{EDGE + SIDE - high:.1f}" width="{SIDE / number - 1:.1f}" '
                f'height="{high:.1f}" opacity="{opacity:.2f}"></rect>'
            )
    title = f"{name}: share that came true against predicted probability, {bins.n:,} predictions, ECE {bins.ece:.3f}"
    low, far = EDGE + SIDE, EDGE + SIDE + 14
    return (
        f'<svg class="drawing" viewBox="0 0 {size} {size}" width="{size}" height="{size}" role="img" '
        f'aria-label="{escape(title)}">'
        f'<path class="frame" d="M{EDGE} {EDGE}V{low}H{low}"></path>{"".join(bars)}'
        f'<path class="diagonal" d="M{EDGE} {low}L{low} {EDGE}"></path>'
        f'<text x="{EDGE}" y="{far}" text-anchor="middle">0</text><text x="{low}" y="{far}" text-anchor="middle">1</text>'
        f'<text x="{EDGE + SIDE / 2}" y="{far + 6}" text-anchor="middle">probability</text>'
        f'<text x="{EDGE - 6}" y="{low}" text-anchor="end">0</text>'
        f'<text x="{EDGE - 6}" y="{EDGE + 4}" text-anchor="end">1</text>'
        f'<text x="{EDGE}" y="{EDGE - 10}">share that came true</text></svg>'
    )


def coordinates(settings: Sequence[Mapping[str, Any]], skills: Sequence[float]) -> str:
    """Return parallel coordinates: an axis for each hyperparameter that varies and one for the skill, a line for each trial.

    Args:
        settings: Hyperparameters of each trial.
        skills: Skill of each trial.
    """
    names = list(dict.fromkeys(name for each in settings for name in each))
    columns = {name: [each.get(name) for each in settings] for name in names}
    axes = {name: _axis(values) for name, values in columns.items() if len({str(value) for value in values}) > 1}
    axes["skill"] = _axis(skills)
    wide, high = AXIS * len(axes), HIGH + 2 * ROOM
    low, span = min(skills), (max(skills) - min(skills)) or 1.0
    lines = []
    best_trial = max(range(len(skills)), key=lambda trial: skills[trial])
    for trial in sorted(range(len(skills)), key=lambda trial: skills[trial]):
        points = " ".join(
            f"{AXIS * (place + 0.5):.0f},{ROOM + HIGH * (1 - height):.1f}"
            for place, (heights, _, _) in enumerate(axes.values())
            if (height := heights[trial]) is not None
        )
        best = trial == best_trial
        opacity = 1.0 if best else 0.15 + 0.6 * (skills[trial] - low) / span
        lines.append(f'<polyline class="{"best" if best else "trial"}" points="{points}" opacity="{opacity:.2f}"></polyline>')
    marks = []
    for at, (name, (_, bottom, top)) in enumerate(axes.items()):
        x = AXIS * (at + 0.5)
        marks.append(f'<path class="frame" d="M{x} {ROOM}V{ROOM + HIGH}"></path>')
        for y, text in ((ROOM - 22, name), (ROOM - 6, top), (ROOM + HIGH + 16, bottom)):
            marks.append(f'<text x="{x}" y="{y}" text-anchor="middle">{escape(text[:16])}</text>')
    label = f"Parallel coordinates of {len(skills)} trials: {', '.join(axes)}"
    return (
        f'<svg class="drawing" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" role="img" '
        f'aria-label="{escape(label)}">{"".join(marks)}{"".join(lines)}</svg>'
    )


def _axis(values: Sequence[Any]) -> tuple[list[float | None], str, str]:
    """Return the height of each value in `[0, 1]`, None where a trial has none, and the names of both ends."""
    there = [value for value in values if value is not None]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in there):
        numbers = [float(value) for value in there]
        wide = min(numbers) > 0 and max(numbers) / min(numbers) > 10
        scale = math.log if wide else float
        low, span = scale(min(numbers)), (scale(max(numbers)) - scale(min(numbers))) or 1.0
        ends = f"{min(numbers):.3g}", f"{max(numbers):.3g}"
        return [None if value is None else (scale(value) - low) / span for value in values], *ends
    # In the order of their first trial.
    known = list(dict.fromkeys(map(str, there)))
    places = {name: number / max(len(known) - 1, 1) for number, name in enumerate(known)}
    return [None if value is None else places[str(value)] for value in values], known[0], known[-1]

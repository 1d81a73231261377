"""What a column is, by rules in a fixed order: the first one that fits decides. docs/own-data.md has the same table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.tables._dates import date_format
from mtl_keras.tables._files import IMAGE_SUFFIXES, Place, find_images
from mtl_keras.tables._values import as_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RULES", "Facts", "Verdict", "examine", "judge"]

#: Values that are looked at where not all are needed.
SAMPLE = 1000
#: Most classes of a column of texts, and most different whole numbers that are taken for classes.
CLASSES, WHOLE = 1000, 20
#: Rows that a value must have on average to be one of a few classes.
REPEATED = 2
BOOLEANS = ({"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"})
SEPARATORS = ("|", ";", ",", "/", " ")
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
ID_NAMES = re.compile(r"(?i)(.*[_\W])?(id|ids|idx|index|key|uuid|guid|rowid|nr|no)|unnamed: \d+|[a-z]+Id|[a-z]+ID")


@dataclass(frozen=True)
class Facts:
    """What the rules look at.

    Attributes:
        name: Of the column.
        count: Number of values that are not missing.
        distinct: Number of different values.
        whole: Whether the values are whole numbers.
        numeric: Whether the values are numbers or booleans.
        texts: Some of the different values, as texts.
        counts: Rows of each value, the most frequent first, if there are at most `CLASSES` values; else empty.
        place: Where files of these names lie, if they do.
        ascending: Whether each value is larger than the one before.
        extremes: The smallest and the largest number.
        odd: A text that is no number in a column of which most are; empty if there is none.
        times: Whether the values are dates or times, and no texts of them.
    """

    name: str
    count: int
    distinct: int
    whole: bool
    numeric: bool
    texts: tuple[str, ...]
    counts: dict[Any, int]
    place: Place | None
    ascending: bool
    extremes: tuple[float, float]
    odd: str
    times: bool


@dataclass(frozen=True)
class Verdict:
    """What a column is.

    Args:
        kind: See `RULES`.
        reason: Why, in a few words.
        separator: Between the labels of a multi-label column.
        labels: Those labels, in alphabetical order.
        format: Of dates, as `datetime.strptime` takes it.
        place: Where the images lie.
    """

    kind: str
    reason: str
    separator: str = ""
    labels: tuple[str, ...] = ()
    format: str = ""
    place: Place | None = field(default=None, compare=False)


def examine(series: pd.Series, name: str, folder: Path, root: Any = None) -> Facts:
    """Return the facts of a column."""
    import pandas as pd

    kept = _as_stored(series.dropna())
    times = kept.dtype.kind == "M" or _holds(kept, "date", "datetime", "datetime64")
    numeric = bool(pd.api.types.is_numeric_dtype(kept) or pd.api.types.is_bool_dtype(kept))
    whole = numeric and bool(pd.api.types.is_integer_dtype(kept) or (kept.astype(float) % 1 == 0).all())
    distinct = int(kept.nunique())
    counts = {} if distinct > CLASSES else kept.value_counts().to_dict()
    unique = list(counts) if counts else kept.iloc[: 10 * SAMPLE].unique().tolist()
    texts = tuple(as_text(value).strip() for value in unique[:SAMPLE])
    named = not numeric or (whole and distinct > WHOLE)
    place = find_images(texts, folder, root) if named and distinct > 1 else None
    number = numeric and len(kept)
    return Facts(
        name,
        len(kept),
        distinct,
        whole,
        numeric,
        texts,
        counts,
        place,
        bool(whole and len(kept) > 1 and kept.is_monotonic_increasing and distinct == len(kept)),
        (float(kept.min()), float(kept.max())) if number else (0.0, 0.0),
        "" if numeric or times else _odd_among_numbers(texts, kept),
        times,
    )


def _holds(series: pd.Series, *kinds: str) -> bool:
    """Return whether a column of objects holds values of these kinds alone, as pandas calls them."""
    import pandas as pd

    return series.dtype == object and pd.api.types.infer_dtype(series, skipna=True) in kinds


def _as_stored(kept: pd.Series) -> pd.Series:
    """Return values that are there as numbers, times or texts, whatever pandas stores them as, if nothing is lost."""
    import pandas as pd

    if isinstance(kept.dtype, pd.CategoricalDtype):
        return kept.cat.remove_unused_categories()
    if _holds(kept, "decimal", "floating", "mixed-integer-float"):
        return kept.astype(np.float64)
    if _holds(kept, "integer") and max(abs(int(kept.min())), abs(int(kept.max()))) < 2**63:
        return kept.astype(np.int64)
    if kept.dtype.kind == "c" or (len(kept) and _holds(kept, "mixed", "mixed-integer", "complex", "bytes")):
        # Texts of them can be told apart and sorted.
        return kept.map(as_text)
    return kept


def _odd_among_numbers(texts: Sequence[str], kept: pd.Series) -> str:
    """Return a text that is no number in a column of which most are; empty if there is none."""
    odd = [text for text in texts if not NUMBER.fullmatch(text)]
    if not odd and len(texts) == SAMPLE:
        # The others are looked at as well, since numbers would be inputs.
        odd = [text for text in map(str.strip, map(as_text, kept.unique())) if not NUMBER.fullmatch(text)][:1]
    return odd[0] if odd and len(odd) <= 0.5 * len(texts) else ""


def judge(facts: Facts) -> Verdict:
    """Return what a column is, by the first rule that fits."""
    return next(verdict for rule in RULES.values() if (verdict := rule(facts)) is not None)


def _empty(facts: Facts) -> Verdict | None:
    return None if facts.count else Verdict("empty", "no value")


def _constant(facts: Facts) -> Verdict | None:
    return Verdict("constant", f"one value, {facts.texts[0][:30]!r}") if facts.distinct == 1 else None


def _url(facts: Facts) -> Verdict | None:
    web = sum(text.lower().startswith(("http://", "https://", "ftp://", "s3://", "gs://")) for text in facts.texts)
    return Verdict("url", "addresses, which are not downloaded") if web > 0.5 * len(facts.texts) else None


def _image(facts: Facts) -> Verdict | None:
    ending = sum(text.lower().endswith(IMAGE_SUFFIXES) for text in facts.texts) > 0.5 * len(facts.texts)
    if facts.place is not None:
        added = f", with {facts.place.suffix} added" if facts.place.suffix else ""
        where = "next to the table" if facts.place.root == "." else f"in {facts.place.root}"
        return Verdict("image", f"files {where}{added}", place=facts.place)
    return Verdict("image", "names of image files, which are not there") if ending else None


def _boolean(facts: Facts) -> Verdict | None:
    if facts.distinct != 2:
        return None
    if facts.numeric and facts.extremes == (0, 1):
        return Verdict("boolean", "0 and 1, or true and false")
    folded = {text.lower() for text in facts.texts}
    return Verdict("boolean", " and ".join(sorted(folded, reverse=True))) if folded in BOOLEANS else None


def _date(facts: Facts) -> Verdict | None:
    if facts.times:
        return Verdict("date", f"dates such as {facts.texts[0]}")
    form = None if facts.numeric else date_format(facts.texts)
    return Verdict("date", f"dates such as {facts.texts[0]}", format=form) if form else None


def _identifier(facts: Facts) -> Verdict | None:
    if facts.distinct != facts.count or facts.count < 3:
        return None
    if facts.whole and (facts.ascending or ID_NAMES.fullmatch(facts.name)):
        return Verdict("identifier", "whole numbers, each once, " + ("ascending" if facts.ascending else "called like one"))
    if facts.numeric or any(" " in text for text in facts.texts) or facts.odd:
        return None
    return Verdict("identifier", "texts without spaces, each once")


def _number(facts: Facts) -> Verdict | None:
    if not facts.numeric or _is_few_whole(facts):
        return None
    return Verdict("number", f"{'whole ' if facts.whole else ''}numbers from {facts.extremes[0]:g} to {facts.extremes[1]:g}")


def _is_few_whole(facts: Facts) -> bool:
    """Return whether numbers look like classes: few whole numbers without a gap."""
    low, high = facts.extremes
    gapless = facts.distinct == high - low + 1
    return facts.whole and facts.distinct <= WHOLE and gapless and facts.count >= REPEATED * facts.distinct


def _multi_label(facts: Facts) -> Verdict | None:
    if facts.numeric or facts.distinct < 3:
        return None
    for separator in SEPARATORS:
        divided = [text.split(separator) for text in facts.texts]
        several = sum(len(parts) > 1 for parts in divided)
        tokens = Counter(part.strip() for parts in divided for part in parts)
        if "" in tokens or several < 0.1 * len(divided) or not 2 <= len(tokens) <= 200:
            continue
        # Labels come back in other combinations; the halves of names such as "New York" do not.
        again = sum(count > 1 for count in tokens.values())
        alone = {parts[0].strip() for parts in divided if len(parts) == 1}
        if again >= 0.5 * len(tokens) and len(alone & tokens.keys()) and len(tokens) < len(divided):
            return Verdict(
                "multi-label", f"{len(tokens)} labels between {separator!r}", separator=separator, labels=tuple(sorted(tokens))
            )
    return None


def _category(facts: Facts) -> Verdict | None:
    if facts.distinct > CLASSES or facts.count < REPEATED * facts.distinct:
        return None
    kind = "whole numbers without a gap" if facts.numeric else "texts"
    times = facts.count / facts.distinct
    among = f", numbers among them, but not {facts.odd[:30]!r}" if facts.odd and facts.distinct > WHOLE else ""
    return Verdict("category", f"{facts.distinct} {kind}, each {times:,.{0 if times >= 10 else 1}f} times on average{among}")


def _anything(facts: Facts) -> Verdict | None:
    if facts.odd:
        return Verdict("text", f"numbers with texts in between, such as {facts.odd[:30]!r}")
    return Verdict("text", f"{facts.distinct} different texts")


#: The rules in their order, by kind. The last one always fits.
RULES: dict[str, Callable[[Facts], Verdict | None]] = {
    "empty": _empty,
    "constant": _constant,
    "url": _url,
    "image": _image,
    "boolean": _boolean,
    "date": _date,
    "identifier": _identifier,
    "number": _number,
    "multi-label": _multi_label,
    "category": _category,
    "text": _anything,
}

"""Image files that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator

from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._rows import Rows
from mtl_keras.inspection._text import count

__all__ = ["check_files"]

#: Files that the message names.
SHOWN = 5


def check_files(rows: Rows) -> Iterator[Finding]:
    """Find files that are not readable images: other content, truncated, empty or too large."""
    if not len(rows.files):
        return
    reasons = rows.photos.reasons
    if reasons:
        shown = [f"{rows.files[row]} in row {row}: {reason}" for row, reason in [*reasons.items()][:SHOWN]]
        more = "; ..." if len(reasons) > SHOWN else ""
        yield Finding(
            "files",
            "error",
            "images",
            f"{count(len(reasons), 'file')} of {len(rows.files):,} {'is' if len(reasons) == 1 else 'are'} no readable image: "
            f"{'; '.join(shown)}{more}.",
            "Replace them, remove their rows, or set them aside with --skip-bad.",
            tuple(reasons),
        )

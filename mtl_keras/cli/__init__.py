"""The command line: `mtl-keras init | check | tune | train | evaluate | compare | reproduce | report | studies | cache`."""

from __future__ import annotations

import errno
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtl_keras.cli._app import app

__all__ = ["app", "entry", "main"]

#: Errors of the disk that a user can fix; any other OSError is a bug.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM, errno.ENAMETOOLONG)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 for a `check` that finds what stops training, 2 for an input that is
    refused, 130 or 143 if a signal has ended it.

    Args:
        argv: Arguments without the program's name; None (default) is those of the process.

    Example:
        >>> main(["tune", "no-such-study"])
        2
    """
    from mtl_keras.cli._interrupts import INTERRUPTS, Interrupted

    try:
        with INTERRUPTS:
            try:
                return _run(argv)
            finally:
                # A library may have swallowed it, or have made an error of its own of it.
                INTERRUPTS.check()
    except Interrupted as interrupted:
        sys.stderr.write(f"mtl-keras: {interrupted}\n")
        return interrupted.code


def _run(argv: Sequence[str] | None) -> int:
    """Run one command and return its exit code."""
    from mtl_keras.cli._app import app
    from mtl_keras.cli._usage import describe_usage
    from mtl_keras.errors import MTLError

    try:
        # Not standalone: otherwise the parser prints its errors itself, in several lines.
        code = app(args=None if argv is None else list(argv), prog_name="mtl-keras", standalone_mode=False)
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            sys.stderr.write(f"{error.format_message()}\n")  # type: ignore[attr-defined]
            return 2
        refusal = describe_usage(error) if hasattr(error, "format_message") else error
        if not isinstance(refusal, MTLError) and not (isinstance(refusal, OSError) and refusal.errno in DISK):
            raise
        sys.stderr.write(f"mtl-keras: {' '.join(str(refusal).split())}\n")
        return 2
    return code if isinstance(code, int) else 0


def entry() -> None:
    """Run as the installed command."""
    code = main()
    # Nothing is left to be kept: an interrupt while the interpreter ends leaves no traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)


def __getattr__(name: str) -> Any:
    # `app`, from which the documentation is generated, is imported on first use: typer takes a while.
    if name == "app":
        from mtl_keras.cli._app import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

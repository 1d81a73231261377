"""The argument checks that all packages share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from mtl_keras.errors import MTLError, check_fraction, check_integer, check_number, choice_config, parse_choice


@dataclass(frozen=True)
class Crop:
    pad: int = 4

    def __post_init__(self) -> None:
        check_integer("pad", self.pad, 1, of="'crop'")


@dataclass(frozen=True)
class Flip:
    pass


@dataclass(frozen=True)
class Fixed:
    ratios: dict[str, float]


CHOICES: dict[str, Any] = {"flip": Flip, "crop": Crop, "fixed": Fixed}


@pytest.mark.parametrize("value", [1, 5, np.int64(3)])
def test_an_integer_in_range_is_returned_as_int(value: Any) -> None:
    result = check_integer("n", value, 1, 5)
    assert (type(result), result) == (int, value)


@pytest.mark.parametrize("value", [0, 6, True, 1.0, "1", None, float("nan")])
def test_other_values_than_integers_in_range_are_refused(value: Any) -> None:
    with pytest.raises(MTLError) as refused:
        check_integer("n", value, 1, 5)
    assert str(refused.value) == f"`n` must be an integer in [1, 5]. Received: n={value!r}. Pass e.g. n=1."


@pytest.mark.parametrize(
    ("options", "value", "rule"),
    [
        ({"minimum": 0}, -1, "a number of at least 0. Received: x=-1. Pass e.g. x=1."),
        ({"minimum": 0, "bounds": "(]"}, 0, "a number greater than 0. Received: x=0. Pass e.g. x=1."),
        ({"maximum": 3}, 4, "a number of at most 3. Received: x=4. Pass e.g. x=2."),
        ({}, float("inf"), "a finite number. Received: x=inf. Pass e.g. x=0."),
        ({"minimum": 0, "maximum": 1, "bounds": "[)"}, 1, "a number in [0, 1). Received: x=1. Pass e.g. x=0.5."),
        ({"example": 7}, True, "a finite number. Received: x=True. Pass e.g. x=7."),
    ],
)
def test_a_number_outside_its_range_is_refused(options: dict[str, Any], value: Any, rule: str) -> None:
    with pytest.raises(MTLError) as refused:
        check_number("x", value, **options)
    assert str(refused.value) == f"`x` must be {rule}"


def test_a_fraction_lies_between_its_bounds() -> None:
    assert check_fraction("share", 0.5) == 0.5
    assert check_fraction("share", 0, bounds="[]") == 0
    with pytest.raises(MTLError, match=r"`share` of 'zoom' must be a number in \(0, 1\). Received: share=0"):
        check_fraction("share", 0, of="'zoom'")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("crop", Crop()), ({"method": "crop", "pad": 2}, Crop(2)), (Crop(3), Crop(3)), ({"method": "flip"}, Flip())],
)
def test_a_choice_is_a_name_with_or_without_options(value: Any, expected: Any) -> None:
    choice = parse_choice("change", value, CHOICES)
    assert choice == expected
    assert parse_choice("change", choice_config(choice, CHOICES), CHOICES) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("crp", "Unknown change: received 'crp'. Did you mean 'crop'"),
        (3, "The change must be a name or a mapping with the entry 'method'. Received: 3. Pass e.g. 'flip'."),
        ({"pad": 3}, "must be a name or a mapping"),
        ({"method": 3}, "must be a name or a mapping"),
        ({"method": "crop", "pads": 3}, "Unknown option of change 'crop': received 'pads'. Did you mean 'pad'?"),
        ({"method": "flip", "pad": 3}, "The change 'flip' has no options. Received: pad=3. Remove it."),
        ({"method": "crop", "pad": 0}, "`pad` of 'crop' must be an integer of at least 1. Received: pad=0"),
        ("fixed", "The change 'fixed' must have the option 'ratios'"),
    ],
)
def test_other_choices_are_refused(value: Any, message: str) -> None:
    with pytest.raises(MTLError) as refused:
        parse_choice("change", value, CHOICES)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)

"""The class lists of the named binary tasks on CIFAR-100."""

from __future__ import annotations

import pytest

from mtl_keras.data import CIFAR100_COARSE, CIFAR100_GROUPS

#: CIFAR-100's fine classes in order.
NAMES = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle "
    "caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish "
    "forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle "
    "mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine "
    "possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar "
    "sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree "
    "wolf woman worm"
)
FINE = NAMES.split()


@pytest.mark.parametrize("name", CIFAR100_GROUPS)
def test_every_class_is_on_one_side(name: str) -> None:
    assert len(FINE) == 100
    assert sorted(word for side in CIFAR100_GROUPS[name].values() for word in side) == FINE


def test_living_consists_of_coarse_classes() -> None:
    sides = {CIFAR100_COARSE[FINE.index(word)] for word in CIFAR100_GROUPS["living"]["living"]}
    others = {CIFAR100_COARSE[FINE.index(word)] for word in CIFAR100_GROUPS["living"]["not_living"]}
    assert (len(sides), len(others), sides & others) == (13, 7, set())


def test_big_and_small_are_halves() -> None:
    assert [len(side) for side in CIFAR100_GROUPS["big"].values()] == [50, 50]

"""Named divisions of CIFAR-100's classes in two, for binary tasks.

They were fixed before any training. Study 001 has tasks of these names but does not publish its lists.
"""

from __future__ import annotations

__all__ = ["CIFAR100_GROUPS"]

#: The members of thirteen of the twenty coarse classes, coarse class by coarse class.
LIVING = (
    *("beaver", "dolphin", "otter", "seal", "whale"),
    *("aquarium_fish", "flatfish", "ray", "shark", "trout"),
    *("orchid", "poppy", "rose", "sunflower", "tulip"),
    *("apple", "mushroom", "orange", "pear", "sweet_pepper"),
    *("bee", "beetle", "butterfly", "caterpillar", "cockroach"),
    *("bear", "leopard", "lion", "tiger", "wolf"),
    *("camel", "cattle", "chimpanzee", "elephant", "kangaroo"),
    *("fox", "porcupine", "possum", "raccoon", "skunk"),
    *("crab", "lobster", "snail", "spider", "worm"),
    *("baby", "boy", "girl", "man", "woman"),
    *("crocodile", "dinosaur", "lizard", "snake", "turtle"),
    *("hamster", "mouse", "rabbit", "shrew", "squirrel"),
    *("maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"),
)
#: Food containers, household devices and furniture, large outdoor objects and scenes, and both classes of vehicles.
NOT_LIVING = (
    *("bottle", "bowl", "can", "cup", "plate"),
    *("clock", "keyboard", "lamp", "telephone", "television"),
    *("bed", "chair", "couch", "table", "wardrobe"),
    *("bridge", "castle", "house", "road", "skyscraper"),
    *("cloud", "forest", "mountain", "plain", "sea"),
    *("bicycle", "bus", "motorcycle", "pickup_truck", "train"),
    *("lawn_mower", "rocket", "streetcar", "tank", "tractor"),
)

#: Longer or taller than one meter; animals when fully grown and without their tails. A child is, a baby is not; a lawn mower
#: is, with its handle; a table is, by its length; a chair is just below.
BIG = (
    *("bear", "camel", "cattle", "chimpanzee", "crocodile", "dinosaur", "dolphin", "elephant", "kangaroo", "leopard"),
    *("lion", "ray", "seal", "shark", "tiger", "whale", "wolf", "boy", "girl", "man"),
    *("woman", "maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree", "bed", "couch", "table", "wardrobe"),
    *("bridge", "castle", "house", "road", "skyscraper", "cloud", "forest", "mountain", "plain", "sea"),
    *("bicycle", "bus", "motorcycle", "pickup_truck", "train", "lawn_mower", "rocket", "streetcar", "tank", "tractor"),
)
#: A snake is long but counts by its visible size; a sunflower counts by its flower, which is what the images show.
SMALL = (
    *("apple", "aquarium_fish", "baby", "beaver", "bee", "beetle", "bottle", "bowl", "butterfly", "can"),
    *("caterpillar", "chair", "clock", "cockroach", "crab", "cup", "flatfish", "fox", "hamster", "keyboard"),
    *("lamp", "lizard", "lobster", "mouse", "mushroom", "orange", "orchid", "otter", "pear", "plate"),
    *("poppy", "porcupine", "possum", "rabbit", "raccoon", "rose", "shrew", "skunk", "snail", "snake"),
    *("spider", "squirrel", "sunflower", "sweet_pepper", "telephone", "television", "trout", "tulip", "turtle", "worm"),
)

#: Both classes of each named task, the one with label 0 first, as `mtl.ClassMap` takes them.
CIFAR100_GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "living": {"not_living": NOT_LIVING, "living": LIVING},
    "big": {"small": SMALL, "big": BIG},
}

"""Prints the causal mapping of families, as docs/models.md gives it.

    python -m tests.models.mapping [FAMILY...]

Of 48 changed blocks at each of four scales on square, wide and tall images: how many moved most a
token that covers them, and the least share at one scale and shape.
"""

from __future__ import annotations

import sys
import warnings

from tests.models.criteria import build, causal_mapping
from tests.models.test_families import ALL, SCALES, SHARING, SIZES, tiny_of


def main(families: list[str]) -> None:
    """Prints a line for each."""
    warnings.simplefilter("ignore")
    for family in families or (*ALL, *SHARING):
        found = [
            causal_mapping(build(tiny_of(family)), size, factor, blocks=48)
            for size in SIZES.values()
            for factor in SCALES
        ]
        right, tried = sum(each.right for each in found), sum(each.tried for each in found)
        least = min(each.right / each.tried for each in found if each.tried)
        print(f"{family}: {right} of {tried} ({right / tried:.1%}), at least {least:.1%}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Names and JSON from strangers: sorted and refused without an exception that is not ours."""

from __future__ import annotations

import pytest

from mmx_core.events.blob import MAX_JSON_DEPTH, DamagedBlob, decode_json, encode_json
from mmx_core.events.tags import natural_key


def test_numbers_in_names_sort_by_value() -> None:
    names = ["run 10", "run 2", "run 02b", "a", "2", "10"]
    assert sorted(names, key=natural_key) == ["2", "10", "a", "run 2", "run 02b", "run 10"]


def test_names_that_int_refuses_are_sorted_all_the_same() -> None:
    hostile = ["1²", "9" * 5000, "", "٣", "run1"]
    in_order = sorted(hostile, key=natural_key)
    turned = [*reversed(hostile)]
    assert in_order == sorted(turned, key=natural_key)


def test_json_that_parses_but_is_too_deep_to_walk_is_damage() -> None:
    def nested(depth: int) -> object:
        value: object = 0
        for _ in range(depth):
            value = [value]
        return value

    decode_json(encode_json(nested(MAX_JSON_DEPTH - 1)))
    with pytest.raises(DamagedBlob, match="nested"):
        decode_json(encode_json(nested(MAX_JSON_DEPTH + 1)))

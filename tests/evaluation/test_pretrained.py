"""The scenes and the file of the pretrained benchmark: what they promise, without training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from mmx_core.text.words import split_words
from tests.benchmarks.pretrained import (
    assets,
    evaluation_samples,
    harder,
    lora,
    model,
    over_seeds,
    scenes,
)
from tests.benchmarks.pretrained.accuracy import names_in, unseen
from tests.benchmarks.pretrained.nouns import NAMES, with_article
from tests.benchmarks.pretrained.samples import SETS
from tests.benchmarks.pretrained.targets import cell_shares
from tests.support import smollm2

Maker = Callable[..., scenes.Scene]


def a_scene(index: int, make: Maker = scenes.make_scene) -> scenes.Scene:
    assets.require()
    random = scenes.generator(scenes.VALIDATION, 5, index)
    return make(random, split=scenes.VALIDATION)


@pytest.mark.parametrize("make", [scenes.make_scene, harder.make_crowded])
@pytest.mark.parametrize("index", range(3))
def test_a_mask_covers_every_pixel_that_its_object_changed_and_no_other(
    index: int, make: Maker
) -> None:
    scene = a_scene(index, make)
    # The same objects over two plain grounds: what differs is not covered.
    shown = []
    for shade in (0, 255):
        plain = Image.new("RGB", scene.image.size, (shade,) * 3)
        for thing in scene.things:
            plain.paste(thing.cut, thing.at, thing.cut)
        shown.append(np.asarray(plain).astype(int))
    through = np.abs(shown[0] - shown[1]).max(axis=2)
    covered = scene.masks.any(axis=0)
    assert covered.any()
    assert (through[covered] <= 128).all()
    assert (through[~covered] >= 126).all()


def test_no_object_lies_in_the_middle_and_none_on_another() -> None:
    for index in range(8):
        scene = a_scene(index)
        side = scene.image.width
        middle = slice(int(0.45 * side), int(0.55 * side))
        assert len(scene.things) in (2, 3)
        assert not scene.masks[:, middle, middle].any()
        assert scene.masks.sum(axis=0).max() == 1


def test_a_description_names_every_object_and_relations_that_hold() -> None:
    for index in range(8):
        scene = a_scene(index)
        first, second = scene.things[:2]
        assert names_in(scene.description) == {thing.name for thing in scene.things}
        said = scenes.PLACES[scenes.relation(first, second)]
        assert f"{with_article(first.name)} {said} {with_article(second.name)}" in scene.description


def test_a_question_s_answer_agrees_with_the_places() -> None:
    for index in range(8):
        scene = a_scene(index)
        question, answer = scene.question(np.random.default_rng(index))
        asked = question.removeprefix("Is the ").removesuffix("?")
        holds = any(
            asked == f"{one.name} {scenes.PLACES[scenes.relation(one, other)]} the {other.name}"
            for one in scene.things
            for other in scene.things
            if one is not other
        )
        assert answer.startswith("Yes" if holds else "No")


def test_an_invented_thing_is_named_once_in_the_place_of_one_that_is_there() -> None:
    assets.require()
    told, absent = (evaluation_samples(name, 4) for name in ("scenes", "absent"))
    for true, invented in zip(told, absent, strict=True):
        assert true.answer is not None and invented.answer is not None
        (name,) = names_in(invented.answer) - names_in(true.answer)
        assert len(names_in(true.answer) - names_in(invented.answer)) == 1
        words = split_words(invented.answer)
        assert " ".join(words[index].text for index in invented.absent) == name
        masked = {index for entry in invented.word_masks(invented.answer) for index in entry.words}
        assert masked and not masked & set(invented.absent)


def test_a_crowded_scene_has_three_to_five_things_no_larger_than_a_plain_one_s_smallest() -> None:
    assets.require()
    plain = 2 * model.TILE * harder.SMALL
    for scene in unseen(6, make=harder.make_crowded):
        assert 3 <= len(scene.things) <= 5
        assert scene.masks.sum(axis=0).max() == 1
        # Turned by up to 20 degrees, a square is wider by a fourth.
        assert all(max(thing.cut.size) <= 1.3 * plain for thing in scene.things)


@pytest.mark.parametrize("index", range(4))
def test_of_a_thing_behind_another_the_mask_is_what_is_seen_and_that_is_no_less_than_said(
    index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets.require()
    laid: list[list[scenes.Thing]] = []
    carve = harder._carved

    def watched(things: list[scenes.Thing]) -> list[scenes.Thing]:
        laid.append(things)
        return carve(things)

    monkeypatch.setattr(harder, "_carved", watched)
    random = scenes.generator(scenes.VALIDATION, 5, index)
    scene = harder.make_occluded(random, split=scenes.VALIDATION)
    things = laid[-1]  # from back to front, whole
    assert len(things) in (2, 3)
    own = scenes.Scene(scene.image, tuple(things)).masks
    shown = {thing.name: mask for thing, mask in zip(scene.things, scene.masks, strict=True)}
    shares = []
    for place, thing in enumerate(things):
        seen = own[place] & ~own[place + 1 :].any(axis=0)
        assert np.array_equal(shown[thing.name], seen)
        shares.append(seen.sum() / own[place].sum())
    assert 0.3 <= min(shares) <= 0.9
    middle = slice(int(0.45 * scenes.SIDE), int(0.55 * scenes.SIDE))
    assert not scene.masks[:, middle, middle].any()


def test_a_relational_sample_asks_about_two_things_and_has_the_masks_of_both() -> None:
    assets.require()
    for sample in evaluation_samples("relational", 4):
        assert sample.answer is not None and sample.masks is not None
        assert names_in(sample.prompt.strip("?")) == names_in(sample.answer) == set(sample.masks)
        assert len(sample.masks) == 2


@pytest.mark.parametrize("name", SETS)
def test_every_set_is_always_the_same_and_masks_what_its_answer_names(name: str) -> None:
    assets.require()
    for sample, again in zip(
        evaluation_samples(name, 2), evaluation_samples(name, 3), strict=False
    ):
        assert sample.answer is not None and sample.answer == again.answer
        assert np.array_equal(np.asarray(sample.images), np.asarray(again.images))
        masked = {entry.name for entry in sample.word_masks(sample.answer)}
        assert masked == names_in(sample.answer) - {
            " ".join(split_words(sample.answer)[at].text for at in sample.absent)
        }


def test_learnt_and_measured_scenes_share_no_photograph() -> None:
    assert not set(assets.SEEN) & set(assets.UNSEEN)


def test_a_cell_s_shares_sum_to_one_and_point_at_its_object() -> None:
    assets.require()
    (scene,) = unseen(1, side=model.TILE)
    shares = cell_shares(scene)
    assert np.allclose(shares.sum(axis=1), 1)
    side = model.CELL
    for thing, mask in zip(scene.things, scene.masks, strict=True):
        most = mask.reshape(model.CELLS, side, model.CELLS, side).mean((1, 3)).argmax()
        assert shares[most].argmax() == NAMES.index(thing.name)


def test_a_name_within_a_longer_name_is_not_found_by_itself() -> None:
    assert names_in("There is a hot dog above a cat.") == {"hot dog", "cat"}


def test_names_of_over_a_quarter_are_several_tokens_and_no_two_are_the_same() -> None:
    smollm2.require()
    tokenizer = smollm2._base()
    ids = [tuple(tokenizer.encode(f" {name}", add_special_tokens=False).ids) for name in NAMES]
    assert len(set(ids)) == len(NAMES) == 100
    assert sum(len(one) > 1 for one in ids) >= 25


def test_a_merged_update_answers_as_the_update_beside_the_layer() -> None:
    torch.manual_seed(0)
    beside = torch.nn.ModuleDict({"q_proj": torch.nn.Linear(6, 4, bias=False)})
    merged = torch.nn.ModuleDict({"q_proj": torch.nn.Linear(6, 4, bias=False)})
    merged.load_state_dict(beside.state_dict())
    lora.add(beside)
    with torch.no_grad():
        for parameter in lora.learnt(beside).values():
            parameter.normal_()
    given = torch.randn(3, 6)
    plain = merged["q_proj"](given)
    lora.merge(merged, lora.learnt(beside))
    assert torch.allclose(merged["q_proj"](given), beside["q_proj"](given), atol=1e-6)
    assert not torch.allclose(merged["q_proj"](given), plain)


def test_an_update_of_another_model_is_refused() -> None:
    decoder = torch.nn.ModuleDict({"q_proj": torch.nn.Linear(6, 4, bias=False)})
    with pytest.raises(ValueError, match="another model"):
        lora.merge(decoder, {"layers.0.q_proj.up": torch.zeros(4, 8)})


def test_another_file_is_refused_by_its_kind(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="expected a file of kind"):
        model.load(tmp_path / "other.safetensors")


def test_seeds_are_compared_on_the_sets_that_a_figure_was_measured_on_and_names_by_sample() -> None:
    def entry(lens: float, random: float, **more: Any) -> dict[str, Any]:
        scores = {"lens": lens, "random": random}
        return {"methods": {name: {"pixel_ap": [score]} for name, score in scores.items()}, **more}

    names = {
        "right": {figure: [0.9, 0.4] for figure in over_seeds.TELLING},
        "wrong": {figure: [0.5] for figure in over_seeds.TELLING},
    }
    plain = [entry(0.8, 0.1, absent=names, own=names)] * 2
    plain[0]["methods"]["lens"]["removal_rank"] = [0.3]
    plain[0]["methods"]["random"]["removal_rank"] = [0.0]
    found = "\n".join(
        over_seeds.tables(
            {"scenes": {"a": plain, "b": plain}, "crowded": {s: [entry(0.6, 0.2)] for s in "ab"}}
        )
    )
    rows = [line.split() for line in found.splitlines()]
    assert "pixel_ap: mean over seeds" in found
    first = rows.index(["method", "scenes", "crowded"])
    assert rows[first + 1][:2] == ["lens", "0.800"] and rows[first + 1][5] == "0.600"
    second = next(at for at, row in enumerate(rows) if row[:1] == ["removal_rank:"])
    assert rows[second + 1] == ["method", "scenes"]
    # Of two right names and a wrong one in every scene one pair of two is in order.
    told = [row for row in rows if row[:2] == ["own", "probability"]]
    assert told == [["own", "probability", "0.500", "(0.500", "to", "0.500)", *["0.500±0.000"] * 2]]

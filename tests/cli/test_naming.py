"""What a sample is called whose tag is not given: no other picture is replaced unsaid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mmx_core.cli.naming import free_tag
from mmx_core.events import add_explanation, read_explanations
from tests.support.explanations import make_explanation, make_image


def named(explanation, path: str, logdir: Path, step: int = 0) -> str:
    """As the command does: named, and logged under that name."""
    tag = free_tag(path, explanation, str(logdir), step)
    add_explanation(logdir, tag, explanation, step, replaces=True, strict=True)
    return tag


def of(picture: int, prompt: str = "What is it?"):
    made = make_explanation(2)
    (entry,) = made.images
    return replace(made, prompt=prompt, images=(replace(entry, image=make_image(seed=picture)),))


def test_pictures_of_the_same_name_are_two_samples_and_each_is_found_again(tmp_path, capsys):
    paths = {0: "cats/1.png", 1: "dogs/1.png", 2: "old/dogs/1.png"}
    names = ["default/1", "default/dogs/1", "default/old/dogs/1"]
    for _ in range(2):
        assert [named(of(picture), path, tmp_path) for picture, path in paths.items()] == names
    assert named(of(1), "dogs/1.png", tmp_path, step=1) == "default/1", "free at this step"
    found = {(e.tag, e.step) for e in read_explanations(tmp_path)}
    assert found == {*((f"mmx/{name}", 0) for name in names), ("mmx/default/1", 1)}
    assert capsys.readouterr().err == ""


def test_another_question_about_a_picture_replaces_the_first_and_says_so(tmp_path, capsys):
    assert named(of(0), "1.png", tmp_path) == named(of(0, "Why?"), "1.png", tmp_path)
    told = capsys.readouterr().err
    assert "default/1 at step 0 held another question about this picture; --tag keeps" in told


@pytest.mark.parametrize("logdir", ["none", "memory://run"])
def test_where_nothing_can_be_looked_into_the_files_own_name_is_taken(tmp_path, logdir):
    place = logdir if "://" in logdir else str(tmp_path / logdir)
    assert free_tag("a/b c.d.png", of(0), place, 0) == "default/b c.d"

"""`mmx explain` with a small real model, from its checkpoint to the log."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmx_core import Explainer, read_explanations
from mmx_core.cli import main
from tests.support.explanations import assert_close
from tests.support.tiny_models import make_tiny

ANSWER = "a red circle is left of a blue square ."


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tiny, folder = make_tiny(), tmp_path_factory.mktemp("checkpoint")
    for part in (tiny.model, tiny.image_processor, tiny.tokenizer):
        part.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "two shapes.png"
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def command(checkpoint: Path, image: Path, logdir: Path, *options: str) -> list[str]:
    chosen = ["--model", str(checkpoint), "--image", str(image), "--logdir", str(logdir)]
    return ["explain", *chosen, "--prompt", "describe the image .", "--device", "cpu", *options]


def test_what_is_logged_is_what_the_explainer_says(checkpoint, image, tmp_path, capsys) -> None:
    options = ["--answer", ANSWER, "--scales", "2", "0.5", "1", "--aggregation", "mean"]
    options += ["--suppression", "irrelevance", "--tag", "val/7", "--step", "30"]
    assert main(command(checkpoint, image, tmp_path / "my runs", *options)) == 0
    explainer = Explainer.from_pretrained(
        checkpoint,
        device="cpu",
        scales=(0.5, 1, 2),
        aggregation="mean",
        suppression="irrelevance",
    )
    expected = explainer.explain(image, "describe the image .", answer=ANSWER, id="7")
    (read,) = read_explanations(tmp_path / "my runs")
    assert (read.tag, read.step) == ("mmx/val/7", 30)
    provenance = {**expected.provenance, "logged_at": read.provenance["logged_at"]}
    object.__setattr__(expected, "provenance", provenance)
    assert_close(read, expected)
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[0] == ANSWER
    assert lines[2].split() == ["token", "probability", "grounding"]
    circle = [token.text.strip() for token in read.tokens].index("circle")
    figures = [f"{read.base.probability[circle]:.3f}", f"{read.grounding[circle]:.3f}"]
    assert lines[3 + circle].split() == ["circle", *figures]
    logged = f"'{tmp_path / 'my runs'}'"
    assert lines[-2:] == [f"mmx show {logged}", f"tensorboard --logdir {logged}"]
    assert told.err == "", "bars are for terminals"


def test_the_images_gain_is_a_column_where_it_is_asked_for(
    checkpoint, image, tmp_path, capsys
) -> None:
    options = ["--answer", ANSWER, "--scales", "1", "--image-gain"]
    assert main(command(checkpoint, image, tmp_path, *options)) == 0
    (read,) = read_explanations(tmp_path)
    explainer = Explainer.from_pretrained(checkpoint, device="cpu", scales=(1,), image_gain=True)
    expected = explainer.explain(image, "describe the image .", answer=ANSWER)
    np.testing.assert_array_equal(read.image_gain, expected.image_gain)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["token", "probability", "grounding", "image", "gain"]
    assert [line.split()[-1] for line in lines[3 : 3 + len(read.tokens)]] == [
        f"{gain:.3f}" for gain in read.image_gain
    ]


def test_the_word_and_the_cell_that_matter_most_are_columns_where_they_are_asked_for(
    checkpoint, image, tmp_path, capsys
) -> None:
    options = ["--answer", ANSWER, "--scales", "1", "--influence", "--used"]
    assert main(command(checkpoint, image, tmp_path, *options)) == 0
    (read,) = read_explanations(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["token", "probability", "grounding", "used", "most", "by", "word"]
    for line, row, used in zip(lines[3:], read.influence, read.used[0], strict=False):
        shown = float(line.split()[3])
        assert shown == pytest.approx(used.max(), abs=1e-3 + float(np.ptp(used)) / 255)
        most = int(np.nanargmax(np.abs(row)))
        word, nats = line.split()[-2:]
        assert word == read.context_words[most].text.strip()
        assert float(nats) == pytest.approx(row[most], rel=1e-3, abs=1e-3)


def test_a_sample_is_named_after_its_image_and_the_model_answers(
    checkpoint, image, tmp_path, capsys
) -> None:
    assert main(command(checkpoint, image, tmp_path, "--scales", "1")) == 0
    (read,) = read_explanations(tmp_path)
    assert (read.tag, read.id, read.step) == ("mmx/default/two shapes", "two shapes", 0)
    assert capsys.readouterr().out.splitlines()[0] == read.answer


def test_two_pictures_of_the_same_name_are_two_samples(checkpoint, image, tmp_path) -> None:
    other = tmp_path / "dogs" / image.name
    other.parent.mkdir()
    Image.open(image).rotate(180).save(other)
    for path in (image, other):
        options = ["--answer", ANSWER, "--scales", "1"]
        assert main(command(checkpoint, path, tmp_path / "runs", *options)) == 0
    tags = ["mmx/default/dogs/two shapes", "mmx/default/two shapes"]
    assert sorted(e.tag for e in read_explanations(tmp_path / "runs")) == tags


def test_variables_of_the_template_reach_it(checkpoint, image, tmp_path) -> None:
    told = tmp_path / "told"
    shutil.copytree(checkpoint, told)
    template = told / "chat_template.jinja"
    template.write_text("{% if said is defined %}{{ said }} {% endif %}" + template.read_text())
    options = ["--answer", "a dog", "--chat-template-kwargs", '{"said": "green"}', "--scales", "1"]
    assert main(command(told, image, tmp_path / "runs", *options)) == 0
    (read,) = read_explanations(tmp_path / "runs")
    assert [token.text for token in read.context[:2]] == ["green", "<|im_start|>"]


def test_several_images_and_other_words_are_explained(checkpoint, image, tmp_path, capsys) -> None:
    again = tmp_path / "again.png"
    again.write_bytes(image.read_bytes())
    arguments = command(checkpoint, image, tmp_path / "runs", "--answer", ANSWER, "--scales", "1")
    at = arguments.index(str(image)) + 1
    arguments[at:at] = [str(again)]
    asked = ["--why-not", "circle=star", "--why-not", "circle=dog", "--prompt-words"]
    assert main([*arguments, *asked]) == 0
    (read,) = read_explanations(tmp_path / "runs")
    assert len(read.images) == 2 and read.images[0].image == read.images[1].image
    texts = [entry.candidate.text for entry in read.alternatives]
    assert texts == ["star", "dog", *"describe the image .".split()]


def test_a_directory_of_frames_is_a_video(checkpoint, image, tmp_path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for index in (1, 2, 10):
        (frames / f"{index}.png").write_bytes(image.read_bytes())
    (frames / "notes.txt").write_text("no frame")
    options = ["--model", str(checkpoint), "--video", str(frames), "--fps", "4", "--scales", "1"]
    options += ["--prompt", "describe the image .", "--answer", ANSWER, "--device", "cpu"]
    assert main(["explain", *options, "--logdir", str(tmp_path / "runs")]) == 0
    (read,) = read_explanations(tmp_path / "runs")
    assert [entry.frames for entry in read.images] == [(0, 1), (2,)]
    assert read.images[1].seconds == (0.5,) and read.tag == "mmx/default/frames"


def test_a_turn_of_a_conversation_is_explained(checkpoint, image, tmp_path) -> None:
    messages = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "how many"}]},
        {"role": "assistant", "content": "one circle"},
        {"role": "user", "content": "what is it on"},
        {"role": "assistant", "content": "a blue square"},
    ]
    file = tmp_path / "talk.json"
    file.write_text(json.dumps(messages))
    options = ["--model", str(checkpoint), "--image", str(image), "--messages", str(file)]
    options += ["--turn", "1", "--scales", "1", "--device", "cpu", "--tag", "val/talk"]
    assert main(["explain", *options, "--logdir", str(tmp_path / "runs")]) == 0
    (read,) = read_explanations(tmp_path / "runs")
    assert (read.answer, read.turns) == ("one circle", ("user", "assistant"))


def test_occlusion_is_asked_for_by_name_and_takes_no_setting_of_a_lens(
    checkpoint, image, tmp_path, capsys
) -> None:
    options = ["--answer", ANSWER, "--method", "occlusion"]
    given = command(checkpoint, image, tmp_path / "runs", *options)
    assert main([*given, "--scales", "1", "2"]) == 2
    assert "--scales: expected to be left out with method='occlusion'" in capsys.readouterr().err
    assert main(given) == 0
    assert "–" in capsys.readouterr().out, "there is no grounding"
    (read,) = read_explanations(tmp_path / "runs")
    assert read.provenance["settings"]["method"] == "occlusion"

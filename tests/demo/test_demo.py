"""The demo's scenes, training and checkpoints."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from demo import words
from demo.accuracy import caption_accuracy
from demo.data import Stage
from demo.model import make_image_processor, make_model, make_tokenizer
from demo.probe import as_sample
from demo.scenes import TRAINING_SPLIT, make_scene, validation_scenes
from mmx_core import Explainer

CHECKPOINTS = Path(__file__).parents[2] / "demo" / "checkpoints"
RUNS = {
    name: sorted(CHECKPOINTS.glob(f"{name}/step-*")) for name in ("grounded", "control", "blind")
}


def test_a_scene_is_a_function_of_its_index_and_splits_differ() -> None:
    first, again = make_scene(3), make_scene(3)
    assert first.caption == again.caption
    assert np.array_equal(np.asarray(first.image), np.asarray(again.image))
    other = make_scene(3, split=TRAINING_SPLIT)
    assert not np.array_equal(np.asarray(first.image), np.asarray(other.image))


def test_masks_are_the_pixels_drawn_and_do_not_overlap() -> None:
    for scene in validation_scenes(8):
        masks = np.stack([thing.mask for thing in scene.objects])
        assert masks.any(axis=(1, 2)).all()
        assert (masks.sum(axis=0) <= 1).all()
        pixels = np.asarray(scene.image).astype(float)
        for mask in masks:
            inside, outside = pixels[mask].mean(axis=0), pixels[~mask].mean(axis=0)
            assert np.abs(inside - outside).max() > 20
            assert pixels[mask].std(axis=0).max() < 40  # one colour, slightly textured


def test_captions_name_every_object_with_its_colour_in_order() -> None:
    for scene in validation_scenes(20):
        said = scene.caption.split()
        assert set(said) <= set(words.VOCABULARY)
        assert len(scene.caption_objects) == len(said)
        for index, thing in enumerate(scene.objects):
            named = [w for w, at in zip(said, scene.caption_objects, strict=True) if at == index]
            assert named[:2] == [thing.color, thing.shape]


def test_a_sample_has_one_mask_for_each_noun_of_its_caption() -> None:
    scene = validation_scenes(1)[0]
    sample = as_sample(scene)
    nouns = [word for word in scene.caption.split() if word in words.SHAPES]
    assert [mask.name.split()[1] for mask in sample.masks or ()] == nouns  # type: ignore[union-attr]


def test_image_sizes_are_mixed_and_within_the_training_range() -> None:
    sizes = {scene.image.size for scene in validation_scenes(30)}
    assert len(sizes) > 8
    assert all(112 <= side <= 224 for size in sizes for side in size)


def test_a_resumed_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    from demo.train import MIDDLE, SMALL, train

    stages = (
        Stage("text", 1, MIDDLE, (1, 2), rates=(1.0, 0.5), text_scenes=True),
        Stage("see", 1, SMALL, (1, 2), rates=(2.0, 0.5), vision_only=True),
        Stage("small", 2, SMALL, (1, 2, 3), rates=(0.5, 0.1), dense_weight=0.5),
    )

    def run(seed: int = 0) -> torch.nn.Module:
        return train(
            "test",
            stages=stages,
            seed=seed,
            work=tmp_path / "work",
            checkpoints=tmp_path / "checkpoints",
            kept=(2,),
            batch=2,
            save_steps=2,
            explain=False,
            use_cpu=True,
        )

    whole = run().state_dict()
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "step-000000",
        "step-000002",
        "step-000004",
    ]
    shutil.rmtree(tmp_path / "work" / "checkpoint-4")
    resumed = run().state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    with pytest.raises(ValueError, match="--no-resume"):
        run(seed=1)


def test_learning_rates_follow_the_stages() -> None:
    from demo.train import rate_at

    stages = (
        Stage("first", 100, (80,), (1,), rates=(1.0, 0.5)),
        Stage("second", 10, (80,), (1,), rates=(2.0, 0.0)),
    )
    rates = [rate_at(step, stages=stages, warmup=4) for step in (0, 3, 50, 99, 100, 105, 110)]
    assert rates == pytest.approx([0.25, 0.985, 0.75, 0.505, 2.0, 1.0, 0.0])


def test_training_logs_its_own_explanations(tmp_path: Path) -> None:
    from demo.train import SMALL, train
    from mmx_core import read_explanations

    train(
        "test",
        stages=(Stage("small", 1, SMALL, (1, 2), rates=(1.0, 1.0)),),
        seed=0,
        work=tmp_path / "work",
        checkpoints=tmp_path / "checkpoints",
        kept=(),
        batch=2,
        use_cpu=True,
    )
    found = [(e.id, e.step) for e in read_explanations(tmp_path / "work" / "explanations")]
    assert len(found) == 2 * 4
    assert {step for _, step in found} == {0, 1}


def test_the_checkpoints_are_five_stages_and_two_controls_of_at_most_6_mb_each() -> None:
    assert len(RUNS["grounded"]) >= 5
    assert RUNS["grounded"][0].name == "step-000000"
    assert RUNS["control"]
    assert RUNS["blind"]
    for path in (path for run in RUNS.values() for path in run):
        weights = path / "model.safetensors"
        assert weights.stat().st_size <= 6_000_000


@pytest.mark.parametrize("run", ["grounded", "control"])
def test_the_last_checkpoints_load_offline_and_mostly_say_the_right_words(run: str) -> None:
    explainer = Explainer.from_pretrained(
        RUNS[run][-1], device="cpu", dtype=torch.float32, scales=(1.0,), suppression="none"
    )
    samples = [as_sample(scene) for scene in validation_scenes(12, seed=1)]
    right = [(e.base.rank == 0).mean() for e in explainer.explain_batch(samples)]
    assert np.mean(right) > 0.75


def test_the_grounded_model_captions_most_scenes_of_another_seed_right_to_the_last_word() -> None:
    explainer = Explainer.from_pretrained(
        RUNS["grounded"][-1], device="cpu", dtype=torch.float32, scales=(1.0,)
    )
    adapter = explainer.adapter
    scenes = validation_scenes(40, seed=1)
    assert caption_accuracy(adapter.model, adapter.tokenizer, scenes) >= 0.85


def test_a_caption_judged_right_is_what_the_model_generates() -> None:
    explainer = Explainer.from_pretrained(
        RUNS["grounded"][-1], device="cpu", dtype=torch.float32, scales=(1.0,)
    )
    adapter = explainer.adapter
    for scene in validation_scenes(6, seed=2):
        right = caption_accuracy(adapter.model, adapter.tokenizer, [scene]) == 1
        said = explainer.explain(scene.image, scene.prompt).answer
        assert (said == scene.caption) == right


def test_the_blind_run_has_learnt_to_speak_and_that_pictures_tell_nothing() -> None:
    explainer = Explainer.from_pretrained(
        RUNS["blind"][-1], device="cpu", dtype=torch.float32, scales=(1.0,), image_gain=True
    )
    samples = [as_sample(scene) for scene in validation_scenes(3, seed=1)]
    for found in explainer.explain_batch(samples):
        words = [token.text.strip() for token in found.tokens]
        grammar = [word in ("a", "is", "of", "the", ".") for word in words]
        assert np.median(found.base.probability[grammar]) > 0.9
        assert np.abs(found.image_gain).max() < 0.1


def test_the_grounded_lens_finds_the_objects_and_the_controls_does_not() -> None:
    found = {}
    for run in ("grounded", "control"):
        explainer = Explainer.from_pretrained(
            RUNS[run][-1], device="cpu", dtype=torch.float32, scales=(1.0,), suppression="none"
        )
        samples = [as_sample(scene) for scene in validation_scenes(12, seed=1)]
        metrics = [e.metrics["pixel_auc"] for e in explainer.explain_batch(samples)]
        found[run] = float(np.mean(metrics))
    assert found["grounded"] > 0.9
    assert abs(found["control"] - 0.5) < 0.2


def test_the_vocabulary_is_64_words_and_the_model_under_3_million_parameters() -> None:
    tokenizer = make_tokenizer()
    model = make_model(tokenizer, seed=0)
    assert len(tokenizer) == len(words.VOCABULARY) == 64
    assert sum(parameter.numel() for parameter in model.parameters()) < 3_000_000
    assert make_image_processor().patch_size == model.config.vision_config.patch_size

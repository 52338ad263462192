"""Synthetic explanations with every field filled, for tests of everything that carries them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from mmx_core.explanation import (
    Candidate,
    EncodedImage,
    ExplainedImage,
    Explanation,
    ScaleExplanation,
    Token,
)

WORDS = ("a", "red", "circle", "is", "left", "of", "blue", "square", "on", "striped", "ground")
Scales = Sequence[tuple[float, tuple[int, int]]]


def make_image(*, width: int = 24, height: int = 16, seed: int = 0) -> EncodedImage:
    """A small PNG of a seeded colour gradient."""
    generator = np.random.default_rng(seed)
    corner = generator.integers(0, 128, size=3)
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.clip(corner + (rows * 4 + columns * 2)[..., None], 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    # Of the pixels, since the file's bytes depend on the version of zlib.
    name = hashlib.sha256(pixels.tobytes()).hexdigest()[:16]
    return EncodedImage(file.getvalue(), "png", width, height, name)


def make_explanation(
    tokens: int = 5,
    prompt: int = 4,
    scales: Scales = ((0.5, (3, 4)), (1.0, (6, 8)), (2.0, (12, 16))),
    *,
    seed: int = 0,
    id: str = "0007",
    image: EncodedImage | bool | None = True,
    metrics: Mapping[str, float] | None = None,
    smooth: bool = True,
) -> Explanation:
    """Builds an explanation of random content and the contract's shapes.

    Args:
        tokens: Answer tokens, ``T``.
        prompt: Prompt text tokens, ``P``; the first and last are special.
        scales: Factor and grid of each scale.
        seed: Of everything random.
        id: The sample's id.
        image: True for a small seeded PNG, None or False for none.
        metrics: Defaults to two figures.
        smooth: One bump per map, as a real map is; False for white noise (hardly compressible).
    """
    generator = np.random.default_rng(seed)
    texts = [" " + WORDS[k % len(WORDS)] for k in range(prompt + tokens)]
    context = tuple(
        Token(
            id=10 + k % len(WORDS),
            text="<|im_start|>" if k == 0 and prompt else texts[k],
            role="prompt" if k < prompt else "answer",
            position=k + (12 if k >= prompt // 2 else 0),
            special=k in (0, prompt - 1) and k < prompt,
        )
        for k in range(prompt + tokens)
    )

    def leading(count: int) -> tuple[Candidate, ...]:
        weights = np.sort(generator.dirichlet(np.ones(count + 1)))[::-1][:count]
        ids = generator.choice(len(WORDS), size=count, replace=False)
        return tuple(
            Candidate(10 + int(i), " " + WORDS[i], float(np.float32(w)))
            for i, w in zip(ids, weights, strict=True)
        )

    def maps(grid: tuple[int, int]) -> np.ndarray:
        noise = generator.random((tokens, *grid))
        if smooth:
            rows, columns = np.mgrid[0 : grid[0], 0 : grid[1]]
            centres = generator.random((tokens, 2, 1, 1)) * np.array(grid)[None, :, None, None]
            distance = (rows - centres[:, 0]) ** 2 + (columns - centres[:, 1]) ** 2
            noise = 12 * np.exp(-distance / (0.05 * grid[0] * grid[1])) + 0.2 * noise
        return np.maximum(noise - 0.15, 0).astype(np.float32)

    def unit(*shape: int) -> np.ndarray:
        return generator.random(shape).astype(np.float32)

    own = np.arange(prompt + tokens)[None, :] >= prompt + np.arange(tokens)[:, None]
    relevance, activation = unit(tokens, prompt + tokens), 9 * unit(tokens, prompt + tokens)
    relevance[own] = activation[own] = np.nan
    entries = tuple(
        ScaleExplanation(
            factor=factor,
            grids=(grid,),
            maps=(maps(grid),),
            probability=unit(tokens),
            rank=np.where(unit(tokens) < 0.7, 0, generator.integers(1, 9, tokens)).astype(np.int64),
            divergence=np.zeros(tokens, np.float32) if factor == 1.0 else unit(tokens),
            top=tuple(leading(1)[0] for _ in range(tokens)),
        )
        for factor, grid in scales
    )
    return Explanation(
        id=id,
        prompt="describe the image .",
        answer="".join(texts[prompt:]).strip(),
        tokens=context[prompt:],
        context=context,
        heatmaps=(maps(max((grid for _, grid in scales), key=lambda g: g[0] * g[1])),),
        scales=entries,
        relevance=relevance,
        text_activation=activation,
        interference_weights=np.where(unit(tokens, prompt + tokens) < 0.8, 0, 0.25).astype("f4"),
        grounding=unit(tokens),
        candidates=tuple(() if k == 0 else leading(5) for k in range(prompt + tokens)),
        images=()
        if not image
        else (ExplainedImage(make_image(seed=seed) if image is True else image),),
        metrics={"obj_iou": 0.5, "func_iou": 0.875} if metrics is None else metrics,
        provenance={
            "model": {"class": "Synthetic", "name": "tests", "parameters": 0},
            "settings": {"aggregation": "geometric", "suppression": "share"},
        },
    )


def without_pixels(explanation: Explanation) -> Explanation:
    """As a reader hands it on who has no images."""
    images = tuple(replace(entry, image=None) for entry in explanation.images)
    return replace(explanation, images=images)


def assert_close(read: Explanation, logged: Explanation) -> None:
    """Checks that an explanation has come back whole, within the wire format's error bounds."""
    for name in ("id", "prompt", "answer", "tokens", "context", "images", "turns", "provenance"):
        assert getattr(read, name) == getattr(logged, name), name
    assert list(read.metrics) == list(logged.metrics)
    first, second = (list(one.metrics.values()) for one in (read, logged))
    np.testing.assert_allclose(first, second, rtol=1e-6)  # a scalar's float32
    for name in ("grounding", "image_gain", "image_gains"):
        np.testing.assert_equal(getattr(read, name), getattr(logged, name), name)
    _assert_candidates(read.candidates, logged.candidates)
    _assert_maps(read.heatmaps, logged.heatmaps)
    for name in ("relevance", "text_activation", "interference_weights"):
        np.testing.assert_allclose(getattr(read, name), getattr(logged, name), rtol=2**-11)
    assert [s.factor for s in read.scales] == [s.factor for s in logged.scales]
    for back, scale in zip(read.scales, logged.scales, strict=True):
        assert back.grids == scale.grids
        _assert_maps(back.maps, scale.maps)
        _assert_candidates([back.top], [scale.top])
        for name in ("probability", "rank", "divergence"):
            np.testing.assert_array_equal(getattr(back, name), getattr(scale, name), name)


def _assert_maps(read: Sequence[np.ndarray], logged: Sequence[np.ndarray]) -> None:
    for back, maps in zip(read, logged, strict=True):
        assert back.shape == maps.shape
        spread = np.ptp(maps.reshape(len(maps), -1), axis=1)
        assert (np.abs(back - maps).reshape(len(maps), -1).max(axis=1) <= spread / 255).all()


def _assert_candidates(
    read: Sequence[Sequence[Candidate]], logged: Sequence[Sequence[Candidate]]
) -> None:
    for back, entries in zip(read, logged, strict=True):
        assert [(c.id, c.text) for c in back] == [(c.id, c.text) for c in entries]
        probabilities = [c.probability for c in back], [c.probability for c in entries]
        np.testing.assert_allclose(*probabilities, rtol=1e-6)

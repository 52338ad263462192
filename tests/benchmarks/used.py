"""How well the used maps find what a word names, on the demo; and what they cost.

    python -m tests.benchmarks.used [--scenes 30] [--repeats 3]

Validation scenes, captions teacher-forced, the last checkpoint; colour and shape words against the
mask of their object, as the lens at scale 1 and the default maps. The cost is beside an explanation
at five scales, of one scene and of a picture of 24 x 24 cells; on one CPU, its own time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from operator import itemgetter
from typing import Any

SCALES = (0.5, 0.75, 1.0, 1.5, 2.0)


def main() -> None:
    """Prints one line per kind of map, then one per picture size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    _localise(arguments.scenes)
    _time(arguments.repeats)


def _localise(count: int) -> None:
    import numpy as np

    from demo.scenes import validation_scenes
    from demo.words import BACKGROUND, COLORS, SHAPES
    from mmx_core import Explainer, Sample
    from mmx_core.metrics.localisation import Localisation, localisation
    from tests.benchmarks.models import load

    parts = load("demo", "cpu")
    explainer = Explainer(parts.model, **parts.parts, used=True)
    scores: dict[str, list[Localisation]] = {"used": [], "lens": [], "default": []}
    for scene in validation_scenes(count):
        sample = Sample(scene.id, scene.image, scene.prompt, scene.caption)
        (explanation,) = list(explainer.explain_batch([sample]))
        kinds = {
            "used": explanation.used[0],
            "lens": explanation.base.map,
            "default": explanation.heatmap,
        }
        for said, thing in zip(scene.caption.split(), scene.caption_objects, strict=True):
            if thing in (None, BACKGROUND) or said not in (*COLORS, *SHAPES):
                continue
            mask = scene.objects[thing].mask
            place = [t.text.strip() for t in explanation.tokens].index(said)
            for kind, maps in kinds.items():
                values = np.maximum(maps[place], 0) if kind == "used" else maps[place]
                found = localisation(values, mask)
                if found is not None:
                    scores[kind].append(found)
    print(f"{'maps':8} {'words':>5} {'pixel AP':>8} {'AUC':>6} {'pointing':>8}")
    for kind, found in scores.items():
        means = [
            float(np.mean([getattr(one, name) for one in found]))
            for name in ("pixel_ap", "pixel_auc", "pointing")
        ]
        print(f"{kind:8} {len(found):5} {means[0]:8.3f} {means[1]:6.3f} {means[2]:8.3f}")


def _time(repeats: int) -> None:
    from demo.scenes import validation_scenes
    from mmx_core import Sample
    from tests.benchmarks.models import load, picture

    parts = load("demo", "cpu")
    (scene,) = validation_scenes(1)
    print(
        f"{'picture':>9} {'grid':>7} {'windows':>7} {'five scales s':>13} {'used s':>7} {'x':>17}"
    )
    for image in (scene.image, picture(24 * 16)):
        print(_line(parts, Sample("s", image, scene.prompt, scene.caption), repeats))


def _line(parts: Any, sample: Any, repeats: int) -> str:
    from mmx_core import Explainer
    from mmx_core.models.running import undisturbed
    from tests.benchmarks.alternating import in_turn, median, ratio

    image = sample.images
    five = Explainer(parts.model, **parts.parts, scales=SCALES)
    plain, used = (
        Explainer(parts.model, **parts.parts, scales=(1.0,), used=used) for used in (False, True)
    )
    prepared = plain.prepare(sample)
    works: dict[str, Callable[[], Any]] = {
        "five": lambda: five.explain_prepared(sample, five.prepare(sample)),
        "plain": lambda: plain.explain_prepared(sample, prepared),
        "used": lambda: used.explain_prepared(sample, prepared),
    }
    found = undisturbed(parts.model, works["used"])
    turns = [
        {**turn, "cost": turn["used"] - turn["plain"]}
        for turn in in_turn(works, turns=repeats, device="cpu").turns
    ]
    grid = "x".join(map(str, found.base.grid))
    return (
        f"{image.width:4}x{image.height:<4} {grid:>7} {found.provenance['used']['windows']:7} "
        f"{median(turns, itemgetter('five')):13.3f} {median(turns, itemgetter('cost')):7.3f} "
        f"{ratio(turns, 'cost', 'five')!s:>17}"
    )


if __name__ == "__main__":
    main()

"""What MSEA and ARC are worth, part by part, on the demo's model and sets.

    python -m tests.benchmarks.studies STUDY [--samples 60] [--set val] [--split training]
    python -m tests.benchmarks.studies STUDY --set wordy --model DIR    of second_family.py

The sets are the demo's, and wordy and wordy_absent of the second family. STUDY is methods, scales,
suppression, ranking, depth, checkpoints, cost, faithfulness, hallucination (words that we
invented) or mistakes (words that the model itself gets wrong).

Defaults were chosen on training scenes (``--split training``); what is reported is measured on
validation scenes. Every figure is a mean over words, ± half of a bootstrap 95 % interval over
samples.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm
from transformers.utils import logging as transformers_logging

from demo.scenes import TRAINING_SPLIT, VALIDATION_SPLIT
from demo.sets import evaluation_samples
from mmx_core import Explainer, Explanation, Sample
from mmx_core.attribution.msea import resize
from mmx_core.cli.table import format_table
from mmx_core.evaluation.measure import measure_methods, words_of
from mmx_core.evaluation.memory import peak_megabytes
from mmx_core.evaluation.methods import OURS, explained, single_scale
from mmx_core.evaluation.registry import Attribution, Method, methods
from mmx_core.evaluation.report import summarise
from mmx_core.evaluation.rivals.base import encode_base
from mmx_core.evaluation.trials import Perturbed
from mmx_core.events.index_record import decode_record, encode_record
from mmx_core.metrics import auroc
from mmx_core.metrics.faithfulness import faithfulness
from mmx_core.metrics.summary import shown_words
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.running import undisturbed
from mmx_core.stages.perturbing import Perturber
from mmx_core.stages.prepare import Prepared, prepare
from mmx_core.stages.reading import read
from mmx_core.text.words import split_words, tokens_of_words
from tests.benchmarks import second_family

CHECKPOINTS = Path(__file__).parents[2] / "demo" / "checkpoints"
FINAL = CHECKPOINTS / "grounded" / "step-003800"
SCALES = (1.0, 1.5, 2.0)
COLUMNS = ("obj_iou", "func_iou", "pixel_auc", "pixel_ap", "best_iou", "pointing", "nss")
FAITHFUL = ("insertion", "deletion", "flip_rate")


def load(checkpoint: Path) -> Explainer:
    """A checkpoint's explainer on the CPU, or on the GPU if there is one."""
    return Explainer.from_pretrained(checkpoint, dtype=torch.float32)


def compare(
    explainer: Explainer,
    samples: Sequence[Sample],
    methods: Mapping[str, Method],
    *,
    faithful: int = 0,
    hooked: bool = False,
) -> list[tuple[str, ...]]:
    """One row per method.

    Args:
        explainer: The model's.
        samples: What is explained.
        methods: By name.
        faithful: Samples that are perturbed, too.
        hooked: Whether methods look into the forwards, so that each needs its own; variants of
            ours differ behind them, and share them.
    """
    entries = []
    forward = explainer.adapter.forward
    for index, sample in enumerate(tqdm(samples, file=sys.stderr)):
        prepared = prepare(explainer.adapter, sample)
        passes: dict[tuple[int, int], torch.Tensor] = {}

        def once(encoded: EncodedInput, passes: dict = passes) -> torch.Tensor:
            grid = encoded.visual[0].grid
            if grid not in passes:
                passes[grid] = forward(encoded.inputs)[0]
            return passes[grid]

        if not hooked:
            explainer.adapter.hidden_states = once  # type: ignore[method-assign]
        words = words_of(explainer.adapter, sample, prepared)
        results, _ = measure_methods(
            explainer.adapter,
            prepared,
            words,
            methods,
            perturbed=Perturbed(steps=10) if index < faithful else None,
            seed=0,
        )
        figures = {name: result.as_dict() for name, result in results.items()}
        entries.append({"sample": sample.id, "methods": figures})
    found = summarise(
        entries, data="", order=[sample.id for sample in samples], methods=list(methods)
    )["methods"]
    columns = COLUMNS + (FAITHFUL if faithful else ())
    return [(name, *(_cell(found[name][metric]) for metric in columns)) for name in methods]


def scales_study() -> dict[str, Method]:
    """Sets of scales; ways to aggregate; the controls."""
    plain = replace(OURS, suppression="none")
    mean = replace(plain, aggregation="mean")
    chosen = {
        "1": (1.0,),
        "1, 1.25": (1.0, 1.25),
        "1, 1.5": (1.0, 1.5),
        "1, 2": (1.0, 2.0),
        "0.75, 1": (0.75, 1.0),
        "0.5, 0.75, 1 (down)": (0.5, 0.75, 1.0),
        "1, 1.25, 1.5": (1.0, 1.25, 1.5),
        "1, 1.5, 2 (up)": SCALES,
        "0.5, 0.75, 1, 1.5, 2": (0.5, 0.75, 1.0, 1.5, 2.0),
        "1, 2, 3 (far up)": (1.0, 2.0, 3.0),
    }
    rows = {f"geometric {name}": explained(scales, plain) for name, scales in chosen.items()}
    rows |= {f"mean {n}": explained(s, mean) for n, s in chosen.items() if len(s) > 2}
    rows["agreement 1, 1.5, 2 (up)"] = explained(SCALES, replace(plain, aggregation="agreement"))
    rows["mean of maps normalised to 1, (up)"] = normalised_mean
    rows["lens at 1 on the grid of 2"] = methods()["lens_upsampled"]
    rows |= {f"lens at {f:g} alone": single_scale(f) for f in (0.5, 0.75, 1.25, 1.5, 2.0, 3.0)}
    return rows


def suppression_study() -> dict[str, Method]:
    """Every suppression, with and without MSEA; gates; causal or not."""
    rows: dict[str, Method] = {}
    for aggregation in ("geometric", "mean"):
        for rule in ("none", "share", "competing", "relevance", "irrelevance", "tam"):
            settings = replace(OURS, aggregation=aggregation, suppression=rule)
            rows[f"{aggregation} {rule}"] = explained(SCALES, settings)
    for gate in (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8):
        rows[f"share, gate {gate:g}"] = explained(SCALES, replace(OURS, gate=gate))
    rows["share, causal"] = explained(SCALES, replace(OURS, causal=True))
    rows["share at scale 1 alone"] = explained((1.0,), OURS)
    return rows


def ranking_study() -> dict[str, Method]:
    """ARC's depth k and persistence p."""
    rows = {f"k = {k}": explained(SCALES, replace(OURS, top_k=k)) for k in (1, 5, 10, 20, 50, 100)}
    rows |= {
        f"p = {p:g}": explained(SCALES, replace(OURS, persistence=p))
        for p in (0.7, 0.8, 0.9, 0.95, 0.98)
    }
    return rows


def depth_study(layers: int) -> dict[str, Method]:
    """The lens after each decoder layer, through the final norm and the head."""
    return {f"after layer {layer} of {layers}": lens_after(layer) for layer in range(layers + 1)}


def normalised_mean(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
    """The mean over the scales of maps brought to a maximum of 1."""
    reading = read(adapter, prepared, SCALES, replace(OURS, suppression="none"))
    grid = reading.heatmaps[0].shape[1:]
    maps = [
        resize(torch.from_numpy(m / np.maximum(m.max(axis=(1, 2), keepdims=True), 1e-9)), grid)
        for (m,) in reading.maps
    ]
    return Attribution(torch.stack(maps).mean(dim=0).numpy())


def lens_after(layer: int) -> Method:
    """The logit lens on the residual stream after some layers; 0 is the decoder's input."""

    def run(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
        encoded = encode_base(adapter, prepared)
        decoder = adapter.model.get_decoder()
        kept: list[torch.Tensor] = []
        layers = decoder.layers

        def keep(module, args, kwargs):
            kept.append(args[0] if args else kwargs["hidden_states"])

        place = layers[layer] if layer < len(layers) else decoder.norm
        handle = place.register_forward_pre_hook(keep, with_kwargs=True)
        try:
            adapter.forward(encoded.inputs)
        finally:
            handle.remove()
        states = decoder.norm(kept[0])[0][encoded.visual[0].positions]
        rows = adapter.head_weight[torch.tensor(prepared.answer_ids, device=adapter.head_device)]
        maps = torch.relu(rows.float() @ states.float().T)
        return Attribution(maps.view(len(maps), *encoded.visual[0].grid).cpu().numpy())

    return run


def faithfulness_study(explainer: Explainer, samples: Sequence[Sample]) -> list[tuple[str, ...]]:
    """Deletion and insertion by fill, with the true mask and the best order of cells beside."""
    chosen = ("mmx", "msea", "lens", "tam", "occlusion", "attention", "rollout", "random")
    rows = []
    for fill in ("blur", "mean"):
        figures: dict[str, list[list[float]]] = {}
        for sample in tqdm(samples, file=sys.stderr):
            adapter = explainer.adapter
            prepared = prepare(adapter, sample)
            words = words_of(adapter, sample, prepared)
            perturber = Perturber(adapter, prepared, fill=fill)
            heads = words.heads
            masks = [entry.mask for entry in words.masks if entry.mask.any()]
            maps = {"the true mask": np.stack([on_grid(m, perturber.grid) for m in masks])}
            for name in chosen:
                found = undisturbed(adapter.model, methods()[name], adapter, prepared, 0)
                maps[name] = found.maps[heads]
            for name, each in maps.items():
                curves = faithfulness(perturber, each, heads, steps=10)
                end = curves.deletion_curve[:, -1]
                values = [curves.deletion, curves.insertion, curves.flipped.astype(float), end]
                figures.setdefault(name, []).extend(np.stack(values, axis=1).tolist())
        rows += [
            (f"{fill}: {name}", *(f"{v:.3f}" for v in np.mean(values, axis=0)))
            for name, values in figures.items()
        ]
    return rows


def hallucination_study(explainer: Explainer, samples: Sequence[Sample]) -> list[tuple[str, ...]]:
    """How well figures of a word tell what is there from what is invented."""
    scores: dict[str, tuple[list[float], list[float]]] = {}
    for sample in tqdm(samples, file=sys.stderr):
        explanation = explainer.explain(
            sample.image_list()[0], sample.prompt, answer=sample.answer, id=sample.id
        )
        pieces = tokens_of_words(
            explainer.adapter.tokenizer, explanation.answer, [t.id for t in explanation.tokens]
        )
        # A word's first piece: the others all but follow from it.
        first = np.asarray([tokens[0] for tokens in pieces])
        shown = shown_words(sample.word_masks(explanation.answer))
        for name, values in word_figures(explanation).items():
            there, invented = scores.setdefault(name, ([], []))
            there.extend(values[first[shown]].tolist())
            invented.extend(values[first[list(sample.absent)]].tolist())
    return _aurocs(scores)


def mistakes_study(explainer: Explainer, samples: Sequence[Sample]) -> list[tuple[str, ...]]:
    """How well figures of the names of shapes tell those that the model gets right from the others.

    Of objects whose colour it names rightly, so that it is known which object it speaks of. Then
    how well what the panel's table sorts by tells answers without such a mistake from the others.
    """
    shapes = {name: shape for shape, names in second_family.SYNONYMS.items() for name in names}
    scores: dict[str, tuple[list[float], list[float]]] = {}
    of_answers: dict[str, tuple[list[float], list[float]]] = {}
    for sample in tqdm(samples, file=sys.stderr):
        explanation = explainer.explain(sample.image_list()[0], sample.prompt, id=sample.id)
        pieces = tokens_of_words(
            explainer.adapter.tokenizer, explanation.answer, [t.id for t in explanation.tokens]
        )
        shown = {(color, shapes[shape]) for color, shape in (m.name.split() for m in sample.masks)}
        colors = {color for color, _ in shown}
        words = [word.text for word in split_words(explanation.answer)]
        mistaken = False
        for (color, shape), tokens in zip(pairwise(words), pieces[1:], strict=True):
            if color in colors and shape in shapes:
                wrong = (color, shapes[shape]) not in shown
                mistaken |= wrong
                for name, values in word_figures(explanation).items():
                    right_and_wrong = scores.setdefault(name, ([], []))
                    right_and_wrong[wrong].append(float(values[tokens[0]]))
        record = decode_record(encode_record(explanation, 0))
        for name in ("lowest_probability", "lowest_grounding", "grounding", "agreement"):
            title = f"answer: {name.replace('_', ' ')}"
            of_answers.setdefault(title, ([], []))[mistaken].append(record[name])
    return _aurocs({**scores, **of_answers})


def word_figures(explanation: Explanation) -> dict[str, np.ndarray]:
    """``(T,)`` each: what might tell what is there from what is not."""
    return {
        "grounding": explanation.grounding,
        "peak of the map": explanation.heatmap.max(axis=(1, 2)),
        "peak of the lens at scale 1": explanation.base.map.max(axis=(1, 2)),
        "probability at scale 1": explanation.base.probability,
        "least probability at any scale": np.min([s.probability for s in explanation.scales], 0),
    }


def _aurocs(scores: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> list[tuple[str, ...]]:
    return [
        (name, f"{auroc(*pair):.3f}", str(len(pair[0])), str(len(pair[1])))
        for name, pair in scores.items()
    ]


def on_grid(mask: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The share of each cell that a mask covers."""
    whole = torch.from_numpy(mask.astype(np.float32))[None, None]
    return torch.nn.functional.interpolate(whole, size=grid, mode="area")[0, 0].numpy()


def cost_study(explainer: Explainer) -> list[tuple[str, ...]]:
    """Seconds per token and megabytes by answer length, image size and method."""
    from demo.scenes import make_scene

    rows = []
    compared = {**methods(), "mmx at five scales": explained((0.5, 0.75, 1.0, 1.5, 2.0), OURS)}
    for side in (112, 224):
        for sentences in (1, 4):
            scene = make_scene(0, size=(side, side))
            answer = " ".join([scene.caption] * sentences)
            sample = Sample("cost", scene.image, scene.prompt, answer)
            prepared = prepare(explainer.adapter, sample)
            for name, method in compared.items():
                spent, peaks = [], []
                for _ in range(4):
                    work = partial(method, explainer.adapter, prepared, 0)
                    device = explainer.adapter.device
                    start = time.perf_counter()
                    _, peak = undisturbed(explainer.adapter.model, peak_megabytes, work, device)
                    spent.append(time.perf_counter() - start)
                    peaks.append(peak)
                tokens = len(prepared.answer_ids)
                seconds = min(spent) / tokens
                figures = (f"{side}x{side}", str(tokens), f"{1000 * seconds:.2f}")
                rows.append((name, *figures, f"{max(peaks):.0f}"))
    return rows


def main() -> None:
    """Prints one study's table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ("methods", "scales", "suppression", "ranking", "depth", "checkpoints", "cost")
    names += ("faithfulness", "hallucination", "mistakes")
    parser.add_argument("study", choices=names)
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--set", default="val")
    parser.add_argument("--model", type=Path, default=FINAL)
    parser.add_argument("--split", choices=("validation", "training"), default="validation")
    parser.add_argument("--faithfulness-samples", type=int, default=0)
    arguments = parser.parse_args()
    transformers_logging.disable_progress_bar()
    split = TRAINING_SPLIT if arguments.split == "training" else VALIDATION_SPLIT
    final = arguments.model
    samples = (
        second_family.samples(
            arguments.samples, split=split, invented=arguments.set == "wordy_absent"
        )
        if arguments.set in ("wordy", "wordy_absent")
        else evaluation_samples(arguments.set, arguments.samples, seed=0, split=split)
    )
    header: tuple[str, ...] = COLUMNS + (FAITHFUL if arguments.faithfulness_samples else ())
    if arguments.study == "checkpoints":
        rows = []
        for path in sorted(CHECKPOINTS.glob("*/*")):
            figures = compare(load(path), samples, {"mmx": methods()["mmx"]})
            rows.append((f"{path.parent.name} {int(path.name[5:])}", *figures[0][1:]))
    elif arguments.study == "cost":
        header, rows = ("image", "tokens", "ms per token", "MB"), cost_study(load(final))
    elif arguments.study == "hallucination":
        header = ("AUROC", "there", "invented")
        rows = hallucination_study(load(final), samples)
    elif arguments.study == "mistakes":
        header = ("AUROC", "right", "wrong")
        rows = mistakes_study(load(final), samples)
    elif arguments.study == "faithfulness":
        header = ("deletion", "insertion", "flips", "all hidden")
        rows = faithfulness_study(load(final), samples)
    else:
        explainer = load(final)
        layers = len(explainer.adapter.model.get_decoder().layers)
        chosen = {
            "methods": methods,
            "scales": scales_study,
            "suppression": suppression_study,
            "ranking": ranking_study,
            "depth": lambda: depth_study(layers),
        }[arguments.study]()
        rows = compare(
            explainer,
            samples,
            chosen,
            faithful=arguments.faithfulness_samples,
            hooked=arguments.study == "methods",
        )
    where = f"{len(samples)} scenes of {arguments.set!r} ({arguments.split})"
    print(f"{arguments.study}: {where}\n" if arguments.study != "cost" else "cost\n")
    print(format_table(("", *header), rows))


def _cell(figure: Mapping[str, float | None]) -> str:
    mean, low, high = figure["mean"], figure["low"], figure["high"]
    if mean is None or low is None or high is None:
        return "-"
    return f"{mean:.3f}±{(high - low) / 2:.3f}".replace("±0.", "±.")


if __name__ == "__main__":
    main()

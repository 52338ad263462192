"""A second model to study explanations on: LLaVA, finer grid, deeper, untied, wordier.

``python -m tests.benchmarks.second_family --out DIR`` trains it from scratch (half an hour on two
CPU cores); ``python -m tests.benchmarks.studies methods --set wordy --model DIR`` explains it.

Against the demo's Qwen2-VL: SigLIP and a projector instead of native resolution, 14 x 14 visual
tokens on 112 pixels instead of 7 x 7, six decoder layers with plain RoPE instead of four with
M-RoPE, a head of its own, answers three times as long and full of function words, synonyms for
every shape, and a tokenizer that cuts words into pieces. Captions and the loss at visual positions
are learnt together; the latter is switched off for the last fifth.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import LlavaConfig, LlavaForConditionalGeneration, PreTrainedTokenizerFast
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from demo.optimizer import MuonAdamW
from demo.scenes import (
    PLAIN,
    TRAINING_SPLIT,
    VALIDATION_SPLIT,
    Layout,
    generator,
    lay_out,
    paint,
    training_style,
)
from demo.words import BACKGROUND, COLORS, SHAPES, article, relation
from mmx_core import Explainer, Sample, WordMask

SIDE, PATCH, CELLS = 112, 8, 14
PROMPT = "can you tell me what there is to see in this picture ?"
SYNONYMS = {
    "circle": ("circle", "disc"),
    "square": ("square", "box"),
    "triangle": ("triangle", "wedge"),
    "star": ("star", "asterisk"),
    "cross": ("cross", "plus"),
    "ring": ("ring", "hoop"),
}
PIECES = {
    "triangle": ("tri", "##angle"),
    "asterisk": ("aste", "##risk"),
    "checkered": ("check", "##ered"),
    "speckled": ("speck", "##led"),
    "yellow": ("yel", "##low"),
    "purple": ("pur", "##ple"),
    "background": ("back", "##ground"),
    "picture": ("pict", "##ure"),
}
_WHOLE = (
    "can you tell me what there is to see in this ? i a an the and of on it all that which lies "
    "left right above below can see also , . at with behind them red green blue orange cyan white "
    "circle disc square box wedge star cross plus ring hoop plain striped dotted user assistant"
).split()
_SPECIAL = ("<pad>", "<unk>", "<bos>", "<eos>", "<image>")
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %} {{ message['role'] }} "
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image> "
    "{% else %}{{ part['text'] }} {% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %} assistant{% endif %}"
)
PLACES = {
    "left of": "which lies to the left of it",
    "right of": "which lies to the right of it",
    "above": "which lies above it",
    "below": "which lies below it",
}
DENSE_WEIGHT, DENSE_SHARE = 0.5, 0.8


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """Word pieces: some words whole, some in two."""
    entries = [*_SPECIAL, *_WHOLE, *(piece for pair in PIECES.values() for piece in pair)]
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(entries))}
    model = Tokenizer(WordPiece(vocabulary, unk_token="<unk>"))
    model.pre_tokenizer = WhitespaceSplit()
    model.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=model,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<bos>",
        eos_token="<eos>",
        extra_special_tokens={"image_token": "<image>"},
        chat_template=TEMPLATE,
    )


def describe(layout: Layout, random: np.random.Generator) -> tuple[list[str], list[int | None]]:
    """A wordy caption, and per word the object that it names."""
    said: list[str] = []
    names: list[int | None] = []

    def say(text: str, thing: int | None = None) -> None:
        said.extend(text.split())
        names.extend([thing] * len(text.split()))

    def name(index: int) -> None:
        thing = layout.things[index]
        shape = str(random.choice(SYNONYMS[thing.shape]))
        say(article(thing.color))
        say(f"{thing.color} {shape}", index)

    say("in this picture i can see")
    name(0)
    for other in range(1, len(layout.things)):
        say(", and also" if other > 1 else ", and there is")
        name(other)
        say(PLACES[relation(layout.things[other], layout.things[0])])
    say(". behind all of them there is")
    say(article(layout.texture))
    say(f"{layout.texture} background", BACKGROUND)
    say(".")
    return said, names


def build(seed: int) -> LlavaForConditionalGeneration:
    """Freshly initialised."""
    words = tokenizer()
    torch.manual_seed(seed)
    config = LlavaConfig(
        text_config={
            "model_type": "llama",
            "vocab_size": len(words),
            "hidden_size": 192,
            "intermediate_size": 512,
            "num_hidden_layers": 6,
            "num_attention_heads": 6,
            "num_key_value_heads": 3,
            "max_position_embeddings": 4096,
            "initializer_range": 0.07,
            "bos_token_id": words.bos_token_id,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
            "tie_word_embeddings": False,
        },
        vision_config={
            "model_type": "siglip_vision_model",
            "image_size": SIDE,
            "patch_size": PATCH,
            "hidden_size": 128,
            "intermediate_size": 512,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "vision_use_head": False,
        },
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        tie_word_embeddings=False,
    )
    model = LlavaForConditionalGeneration(config)
    model.generation_config.eos_token_id = words.eos_token_id
    model.generation_config.pad_token_id = words.pad_token_id
    return model


def image_processor() -> SiglipImageProcessorPil:
    """The whole image, resized to a square."""
    return SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})


@dataclass(frozen=True)
class Batch:
    """``(B, L)`` ids and labels, pixels, and ``(B, N, 2)`` words of each cell."""

    ids: torch.Tensor
    labels: torch.Tensor
    pixels: torch.Tensor
    cells: torch.Tensor


def batches(size: int, seed: int) -> Iterator[Batch]:
    """Endless training batches."""
    words, processor = tokenizer(), image_processor()
    style = training_style((SIDE,), (2, 3, 4))
    head = words(f"<bos> user {'<image> ' * CELLS**2}{PROMPT} assistant", add_special_tokens=False)
    index = 0
    while True:
        rows, images, cells = [], [], []
        for _ in range(size):
            random = generator(TRAINING_SPLIT, seed, index)
            index += 1
            layout = lay_out(style, random, (SIDE, SIDE))
            said, _ = describe(layout, random)
            answer = words(" ".join(said), add_special_tokens=False)["input_ids"]
            rows.append([*answer, words.eos_token_id])
            images.append(Image.fromarray(paint(layout, random)))
            cells.append(_cell_words(layout, random))
        length = max(map(len, rows))
        ids = torch.full((size, len(head["input_ids"]) + length), words.pad_token_id)
        labels = torch.full_like(ids, -100)
        start = len(head["input_ids"])
        for row, answer in enumerate(rows):
            ids[row, :start] = torch.tensor(head["input_ids"])
            ids[row, start : start + len(answer)] = torch.tensor(answer)
            labels[row, start : start + len(answer)] = torch.tensor(answer)
        pixels = processor(images=images, return_tensors="pt")["pixel_values"]
        yield Batch(ids, labels, pixels, torch.from_numpy(np.stack(cells)))


def _cell_words(layout: Layout, random: np.random.Generator) -> np.ndarray:
    """Two tokens per cell: colour and shape (one of its names) of its object, or the background."""
    masks = layout.masks.reshape(len(layout.masks), CELLS, PATCH, CELLS, PATCH).mean((2, 4))
    flat = masks.reshape(len(masks), -1)
    owner = np.where(flat.max(axis=0) >= 0.25, flat.argmax(axis=0), len(masks))
    first = [_first(thing.color) for thing in layout.things] + [_first(layout.texture)]
    names = [[_first(word) for word in SYNONYMS[thing.shape]] for thing in layout.things]
    names.append([_first("background")] * 2)
    chosen = random.integers(0, 2, owner.shape)
    return np.stack([np.asarray(first)[owner], np.asarray(names)[owner, chosen]], axis=1)


def _first(word: str) -> int:
    return int(tokenizer()(word, add_special_tokens=False)["input_ids"][0])


def train(out: Path, *, seed: int, steps: int, size: int) -> None:
    """Trains and stores the model; prints the losses."""
    model = build(seed).train()
    model.set_attn_implementation("eager")
    optimizer = MuonAdamW(model)
    image_id = model.config.image_token_id
    started = time.monotonic()

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / 40) * max(0.02, 1.0 - step / steps)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    for step, batch in zip(range(steps), batches(size, seed), strict=False):
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(
                input_ids=batch.ids,
                attention_mask=(batch.ids != model.config.text_config.pad_token_id).long(),
                pixel_values=batch.pixels,
                use_cache=False,
            ).logits.float()
            caption = torch.nn.functional.cross_entropy(
                logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten(), ignore_index=-100
            )
        visual = logits[batch.ids == image_id].view(len(batch.ids), CELLS**2, -1)
        dense = -visual.log_softmax(2).gather(2, batch.cells).mean()
        loss = caption + (DENSE_WEIGHT * dense if step < DENSE_SHARE * steps else 0.0)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if step % 25 == 0 or step == steps - 1:
            seconds = time.monotonic() - started
            print(f"{step} {seconds:.0f} s caption {caption:.3f} dense {dense:.3f}", flush=True)
    model.eval().save_pretrained(out)
    tokenizer().save_pretrained(out)
    image_processor().save_pretrained(out)


def samples(count: int, *, split: int = VALIDATION_SPLIT, invented: bool = False) -> list[Sample]:
    """Scenes of sizes that the model was not trained on, with wordy captions and their masks.

    Args:
        count: Scenes.
        split: Of the generator.
        invented: Whether one object of each caption is another than the scene shows.
    """
    made = []
    for index in range(count):
        random = generator(split, 0, index)
        layout = lay_out(PLAIN, random)
        image = Image.fromarray(paint(layout, random))
        false = int(random.integers(1, len(layout.things))) if invented else None
        told = layout if false is None else _with_another(layout, false, random)
        said, names = describe(told, random)
        objects = [
            (at, thing)
            for at, thing in enumerate(names)
            if thing is not None and thing != BACKGROUND and said[at] in COLORS
        ]
        masks = [
            WordMask((at, at + 1), layout.masks[thing], " ".join(said[at : at + 2]))
            for at, thing in objects
            if thing != false
        ]
        absent = tuple(word for at, thing in objects if thing == false for word in (at, at + 1))
        name, answer = f"wordy-{index:04d}", " ".join(said)
        made.append(Sample(name, image, PROMPT, answer, masks=masks, absent=absent))
    return made


def _with_another(layout: Layout, index: int, random: np.random.Generator) -> Layout:
    """The layout with a colour and a shape that it has not in the place of one of its things."""
    colors = sorted(set(COLORS) - {thing.color for thing in layout.things})
    shapes = sorted(set(SHAPES) - {thing.shape for thing in layout.things})
    things = list(layout.things)
    things[index] = replace(
        things[index], color=str(random.choice(colors)), shape=str(random.choice(shapes))
    )
    return replace(layout, things=tuple(things))


def accuracy(model: Path, count: int = 100) -> dict[str, float]:
    """Share of colours and of shapes, by either name, that the model puts first."""
    explainer = Explainer.from_pretrained(model, dtype=torch.float32, scales=(1.0,), candidates=1)
    names = {_first(word): shape for shape, words in SYNONYMS.items() for word in words}
    names |= {_first(color): color for color in COLORS}
    right: dict[str, list[bool]] = {"colours": [], "shapes": []}
    for sample in samples(count):
        explanation = explainer.explain_prepared(sample, explainer.prepare(sample))
        leading = explanation.candidates[-len(explanation.tokens) :]
        for token, (best, *_) in zip(explanation.tokens, leading, strict=True):
            if token.id in names:
                kind = "colours" if names[token.id] in COLORS else "shapes"
                right[kind].append(names.get(best.id) == names[token.id])
    return {kind: float(np.mean(values)) for kind, values in right.items()}


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--check", action="store_true", help="what a trained one gets right")
    arguments = parser.parse_args()
    if not arguments.check:
        train(arguments.out, seed=arguments.seed, steps=arguments.steps, size=arguments.batch)
    for kind, share in accuracy(arguments.out).items():
        print(f"{kind}: {share:.1%} right, of 100 unseen scenes")


if __name__ == "__main__":
    main()

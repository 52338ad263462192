"""Reads the header: everything of an explanation that is not an array, as checked JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmx_core.events.blob import DamagedBlob, FloatArray, UnsupportedVersion, quoted
from mmx_core.events.checks import expect, float_or_nan, listed
from mmx_core.explanation import (
    Candidate,
    ContextWord,
    ExplainedImage,
    ObjectMask,
    Token,
    WordGroup,
)

VERSION = 1
MAX_IMAGES = 4096
Header = dict[str, Any]


def check_place(header: Header, tag: str, step: int | None) -> None:
    """Refuses a record found elsewhere than it was logged, where both are known.

    TensorBoard's fast loader checks no checksum, so a flipped bit can move a record.

    Raises:
        DamagedBlob: It was logged at another step or under another tag.
    """
    logged = expect(header.get("logged", {}), dict, "logged")
    for name, found in (("tag", tag), ("step", step)):
        said = logged.get(name, found)
        if found not in ("", None) and (said != found or isinstance(said, bool)):
            raise DamagedBlob(
                f"logged.{name}: {quoted(logged[name])}, but found at {quoted(found)}"
            )


class HeaderReader:
    """Reads a header's parts; everything it hands out has been checked.

    Args:
        header: The decoded JSON of blob 0.

    Raises:
        DamagedBlob: A part is missing, of the wrong kind, or does not fit the others.
        UnsupportedVersion: The header was written by a newer version.
    """

    def __init__(self, header: Any) -> None:
        self.header = expect(header, dict, "header")
        version = expect(self._get("version"), int, "version")
        if version > VERSION:
            raise UnsupportedVersion(f"header version {version}; this reader knows up to {VERSION}")
        self.context = self._context()
        self.answer_length = len(self.context) - self._prompt_length
        self._texts = expect(self._get("vocabulary"), dict, "vocabulary")

    def _get(self, name: str) -> Any:
        if name not in self.header:
            raise DamagedBlob(f"header: {name!r} is missing")
        return self.header[name]

    def _context(self) -> tuple[Token, ...]:
        tokens = expect(self._get("tokens"), dict, "tokens")
        ids = expect(tokens.get("id"), list, "tokens.id")
        count = len(ids)
        texts = listed(tokens.get("text"), count, "tokens.text")
        special = listed(tokens.get("special"), count, "tokens.special")
        positions = listed(tokens.get("position"), count, "tokens.position")
        turns = listed(tokens.get("turn", [0] * count), count, "tokens.turn")
        self._prompt_length = expect(self._get("prompt_length"), int, "prompt_length")
        if not 0 <= self._prompt_length < count:
            raise DamagedBlob(f"prompt_length: {self._prompt_length} of {count} context tokens")
        return tuple(
            Token(
                id=expect(ids[j], int, "tokens.id"),
                text=expect(texts[j], str, "tokens.text"),
                role="prompt" if j < self._prompt_length else "answer",
                position=expect(positions[j], int, "tokens.position"),
                special=bool(expect(special[j], int, "tokens.special")),
                turn=expect(turns[j], int, "tokens.turn"),
            )
            for j in range(count)
        )

    def text(self, name: str) -> str:
        """A string of the header."""
        return str(expect(self._get(name), str, name))

    def answer_values(self, source: Mapping[str, Any], name: str) -> FloatArray:
        """``(T,)`` float32 from ``source[name]``; null is NaN."""
        values = listed(source.get(name), self.answer_length, name)
        with np.errstate(over="ignore"):
            return np.array([float_or_nan(value, name) for value in values], dtype=np.float32)

    def grounding(self) -> FloatArray:
        """``(T,)`` float32."""
        return self.answer_values(self.header, "grounding")

    def ranks(self, scale: Mapping[str, Any]) -> np.ndarray:
        """``(T,)`` int64."""
        values = listed(scale.get("rank"), self.answer_length, "rank")
        return np.array([expect(value, int, "rank") for value in values], dtype=np.int64)

    def candidates(self, pairs: Any, where: str) -> tuple[Candidate, ...]:
        """A list of ``[vocabulary id, probability]`` with their texts."""
        found = []
        for pair in expect(pairs, list, where):
            identity, probability = listed(pair, 2, where)
            identity = expect(identity, int, where)
            text = expect(self._texts.get(str(identity)), str, f"vocabulary of {identity}")
            found.append(Candidate(identity, text, float_or_nan(probability, where)))
        return tuple(found)

    def leading(self) -> tuple[tuple[Candidate, ...], ...]:
        """The candidates of each context token."""
        rows = listed(self._get("candidates"), len(self.context), "candidates")
        return tuple(self.candidates(row, "candidates") for row in rows)

    def scales(self) -> list[dict[str, Any]]:
        """The scales as they are, each a JSON object."""
        scales = expect(self._get("scales"), list, "scales")
        return [expect(scale, dict, "scales") for scale in scales]

    def factor(self, scale: Mapping[str, Any]) -> float:
        """A scale's positive, finite factor."""
        value = float_or_nan(scale.get("factor"), "factor")
        if not 0 < value < math.inf:
            raise DamagedBlob(f"factor: expected a positive number, got {value}")
        return value

    def grids(self, source: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
        """The grid ``(h, w)`` of each image."""
        grids = expect(source.get("grids"), list, "grids")
        if not 1 <= len(grids) <= MAX_IMAGES:
            raise DamagedBlob(f"grids: expected 1 to {MAX_IMAGES} images, got {len(grids)}")
        return tuple(_grid(grid) for grid in grids)

    def images(self) -> list[tuple[str | None, ExplainedImage]]:
        """Each image's content hash (None where it was logged without one) and description."""
        return [
            _image_entry(expect(entry, dict, "images"))
            for entry in expect(self._get("images"), list, "images")
        ]

    def image_grounding(self, images: int) -> FloatArray | None:
        """``(T, I)`` float32, where it was logged."""
        if "image_grounding" not in self.header:
            return None
        rows = listed(self.header["image_grounding"], images, "image_grounding")
        return np.stack([self.answer_values({"row": row}, "row") for row in rows], axis=1)

    def image_gain(self) -> FloatArray | None:
        """``(T,)`` float32, where it was logged."""
        return (
            self.answer_values(self.header, "image_gain") if "image_gain" in self.header else None
        )

    def image_gains(self) -> FloatArray | None:
        """``(T, pictures)`` float32, where they were logged."""
        if "image_gains" not in self.header:
            return None
        rows = expect(self.header["image_gains"], list, "image_gains")
        values = [self.answer_values({"row": row}, "row") for row in rows]
        return np.array(values, np.float32).reshape(len(rows), self.answer_length).T

    def turns(self) -> tuple[str, ...]:
        """The role of each turn."""
        roles = expect(self.header.get("turns", []), list, "turns")
        return tuple(expect(role, str, "turns") for role in roles)

    def alternatives(self) -> list[tuple[int, Candidate, float, float | None]]:
        """Place, word, grounding and the image's gain of what is explained beside the answer."""
        found = []
        for entry in expect(self.header.get("alternatives", []), list, "alternatives"):
            known = expect(entry, dict, "alternatives")
            index = expect(known.get("context"), int, "alternatives.context")
            (candidate,) = self.candidates([known.get("token")], "alternatives.token")
            gain = None
            if "image_gain" in known:
                gain = float_or_nan(known["image_gain"], "alternatives.image_gain")
            share = float_or_nan(known.get("grounding"), "alternatives")
            found.append((index, candidate, share, gain))
        return found

    def words(self) -> tuple[WordGroup, ...]:
        """Which context tokens make a word; none where the log does not say."""
        if "words" not in self.header:
            return ()
        words = expect(self.header["words"], dict, "words")
        first = [expect(k, int, "words.first") for k in expect(words.get("first"), list, "words")]
        texts = listed(words.get("text"), len(first), "words.text")
        if not first:
            raise DamagedBlob("words.first: expected groups of tokens, got none")
        texts = [expect(text, str, "words.text") for text in texts]
        return tuple(map(WordGroup, first, texts))

    def objects(self) -> tuple[ObjectMask, ...]:
        """What words of the answer name in the picture; none where no masks were logged."""
        found = []
        for entry in expect(self.header.get("objects", []), list, "objects"):
            known = expect(entry, dict, "objects")
            tokens, runs = (
                tuple(
                    expect(value, int, f"objects.{name}")
                    for value in expect(known.get(name), list, f"objects.{name}")
                )
                for name in ("tokens", "runs")
            )
            height, width = (
                expect(known.get(side), int, f"objects.{side}") for side in ("height", "width")
            )
            name = expect(known.get("name"), str, "objects.name")
            found.append(ObjectMask(name, tokens, height, width, runs))
        return tuple(found)

    def context_words(self) -> tuple[ContextWord, ...] | None:
        """The words whose influence was measured; None where none's was."""
        if "context_words" not in self.header:
            return None
        words = expect(self.header["context_words"], dict, "context_words")
        first = expect(words.get("first"), list, "context_words.first")
        kinds: dict[str, type[int] | type[str]] = {
            "first": int, "count": int, "text": str, "how": str
        }  # fmt: skip
        columns = [
            [
                expect(value, kind, f"context_words.{name}")
                for value in listed(words.get(name), len(first), f"context_words.{name}")
            ]
            for name, kind in kinds.items()
        ]
        return tuple(ContextWord(*row) for row in zip(*columns, strict=True))

    def metrics(self) -> dict[str, float]:
        """Named figures; null is NaN."""
        metrics = expect(self._get("metrics"), dict, "metrics")
        return {
            name: float_or_nan(value, f"metrics[{quoted(name)}]") for name, value in metrics.items()
        }

    def provenance(self) -> dict[str, Any]:
        """Settings, versions and, under ``model``, the model's description."""
        provenance = dict(expect(self._get("provenance"), dict, "provenance"))
        model = expect(self._get("model"), dict, "model")
        return {**provenance, "model": model} if model else provenance

    def blob_index(self) -> dict[tuple[Any, ...], int]:
        """Where each blob lies: ``("maps", scale, image)``, ``("heatmaps", None, image)``, ..."""
        found: dict[tuple[Any, ...], int] = {}
        for position, entry in enumerate(expect(self._get("blobs"), list, "blobs"), start=1):
            names = expect(entry, dict, "blobs")
            places = (
                expect(names[part], int, f"blobs.{part}") if part in names else None
                for part in ("scale", "image")
            )
            found[(expect(names.get("name"), str, "blobs.name"), *places)] = position
        return found


def _grid(sides: Any) -> tuple[int, int]:
    rows, columns = (expect(side, int, "grids") for side in listed(sides, 2, "grids"))
    if rows < 1 or columns < 1:
        raise DamagedBlob(f"grids: expected at least 1 x 1, got {rows} x {columns}")
    return rows, columns


def _image_entry(entry: Mapping[str, Any]) -> tuple[str | None, ExplainedImage]:
    name = entry.get("hash")
    for side in ("width", "height"):
        if entry.get(side) is not None:
            expect(entry[side], int, f"images.{side}")
    picture = expect(entry.get("picture", 0), int, "images.picture")
    frames = expect(entry.get("frames", []), list, "images.frames")
    seconds = listed(entry.get("seconds", []), len(frames), "images.seconds")
    return None if name is None else str(expect(name, str, "images.hash")), ExplainedImage(
        image=None,
        picture=picture,
        frames=tuple(expect(frame, int, "images.frames") for frame in frames),
        seconds=tuple(float_or_nan(second, "images.seconds") for second in seconds),
    )

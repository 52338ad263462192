"""Tokens as text: the characters that each carries any byte of, and how one is shown by itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate, takewhile
from typing import Any

UNKNOWN = "\ufffd"
"""What decoding makes of bytes that are no character, or not yet."""
Spans = list[tuple[int, int]]


def token_text(tokenizer: Any, token_id: int) -> str:
    """A token as a person reads it, with the blank before it where it begins a word.

    One that holds part of a character shows its bytes as ``<0xF0>``, as vocabularies with bytes for
    tokens name them.
    """
    text = _decoded(tokenizer, [token_id])
    piece = tokenizer.convert_ids_to_tokens(token_id)
    if UNKNOWN in text:
        held = _bytes_of(piece)
        # Of a vocabulary that tells no bytes, its own name for the token at least is no other's.
        return str(piece) if held is None else _shown(held)
    # SentencePiece vocabularies mark the blank with "▁", which decoding takes off the first.
    begins = isinstance(piece, str) and (piece.startswith("▁") or piece == "<0x20>")
    return f" {text}" if begins and not text.startswith(" ") else text


def neutral_token(tokenizer: Any) -> int:
    """The token in a taken one's place: a blank or a full stop, where the vocabulary has one."""
    special = set(tokenizer.all_special_ids)
    for text in (" ", "\n", "."):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(ids) == 1 and ids[0] not in special:
            return int(ids[0])
    padding = getattr(tokenizer, "pad_token_id", None)
    return int(padding if padding is not None else min(special, default=0))


def _shown(held: bytes) -> str:
    text = held.decode("utf-8", errors="surrogateescape")
    return re.sub("[\udc80-\udcff]", lambda byte: f"<0x{ord(byte[0]) - 0xDC00:02X}>", text)


def _bytes_of(piece: Any) -> bytes | None:
    """The bytes that an entry of a vocabulary stands for, where it says so."""
    if isinstance(piece, bytes):
        return piece
    if re.fullmatch("(<0x[0-9A-F]{2}>)+", piece or ""):
        return bytes(int(byte, 16) for byte in re.findall("<0x(..)>", piece))
    if all(letter in _byte_letters() for letter in piece or "?"):
        return bytes(_byte_letters()[letter] for letter in piece)
    return None


@cache
def _byte_letters() -> dict[str, int]:
    """The letters that byte-level vocabularies write for bytes (GPT-2's)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {
        **{chr(byte): byte for byte in plain},
        **{chr(256 + count): byte for count, byte in enumerate(others)},
    }


def spelled(tokenizer: Any, ids: Sequence[int]) -> tuple[str, Spans]:
    """The text that tokens spell together, and the characters that each carries any byte of.

    Measured by how the decoded text grows, which every tokenizer can tell.

    Returns:
        The text, and of each token the indices of its first character and behind its last. They
        ascend, and tokens that carry parts of one character share it.
    """
    runs = _runs(tokenizer, ids, near=True)
    if "".join(grown[-1] for _, grown in runs) != _decoded(tokenizer, ids):
        # A few tokens before were not enough: a blank at the beginning of what is decoded is lost.
        runs = _runs(tokenizer, ids, near=False)
    spans: Spans = []
    text = ""
    for _, grown in runs:
        spans += [(len(text) + start, len(text) + end) for start, end in _growth(grown)]
        text += grown[-1]
    return text, spans


def _runs(tokenizer: Any, ids: Sequence[int], *, near: bool) -> list[tuple[int, list[str]]]:
    """Of each run of tokens that end characters only together: its first token, and how it grows.

    Decoded with the run before it, or with all that is before.
    """
    runs: list[tuple[int, list[str]]] = []
    first = least = 0
    while first < len(ids):
        # What a token spells may depend on what is before it: "▁" is a blank but at the beginning.
        context = runs[-1][0] if runs and near else 0
        before = _decoded(tokenizer, ids[context:first])
        grown: list[str] = []
        whole = ""
        for end in range(first + 1, len(ids) + 1):
            whole = _decoded(tokenizer, ids[context:end])
            grown.append(whole[len(before) :])
            if end >= least and not whole.endswith(UNKNOWN):
                break
        least = first + len(grown)
        if runs and not whole.startswith(before):
            # A byte that fits nowhere has made bytes before it unreadable, too.
            first = runs.pop()[0]
        else:
            runs.append((first, grown))
            first = least
    return runs


def _growth(grown: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The characters of each token of a run, from the texts that the run has as it grows."""
    final = grown[-1]
    done = 0
    for text in grown:
        same = (a == b for a, b in zip(text, final, strict=False))
        common = sum(takewhile(bool, same))
        begun = done
        done = max(done, common)
        # It has a part of the next character where it has added what will be another one.
        end = min(len(final), done + (len(text) > common))
        # Bytes that are no character add none each: several are shown as one.
        yield (begun if end > begun or len(grown) == 1 else max(0, end - 1)), end


def characters_of_tokens(tokenizer: Any, answer: str, ids: Sequence[int]) -> Spans:
    """The characters of an answer that each token carries any byte of.

    Blanks are nobody's where the answer has others than its tokens; nor do accents have to be
    composed alike, nor markers to be in the text.

    Raises:
        ValueError: The tokens do not spell the answer.
    """
    text, spans = spelled(tokenizer, ids)
    if text == answer:
        return spans
    markers = {*getattr(tokenizer, "all_special_ids", ())}
    markers.update(getattr(tokenizer, "added_tokens_decoder", ()))
    marked = [span for token, span in zip(ids, spans, strict=True) if token in markers]
    places = _places(text, answer, marked)
    if places is not None:
        return _moved(spans, places)
    if getattr(tokenizer, "is_fast", False):
        # Letters that the vocabulary lacks, or writes otherwise, are told by where they stood.
        encoded = tokenizer(answer, add_special_tokens=False, return_offsets_mapping=True)
        if list(encoded["input_ids"]) == list(ids):
            return [tuple(span) for span in encoded["offset_mapping"]]
    raise ValueError(f"answer: expected tokens that spell {answer!r}, they spell {text!r}")


def _places(text: str, answer: str, marked: Spans) -> dict[int, tuple[int, int]] | None:
    """Where each of a text's characters stands in the answer; None where it is another text.

    What is marked is there as a whole, or not at all.
    """
    own, wanted = _units(text), _units(answer)
    parts = [part for part, _ in wanted]
    marks = dict(marked)
    places: dict[int, tuple[int, int]] = {}
    at = skipped = 0
    for unit, character in own:
        if character in marks:
            mark = [part for part, _ in _units(text[character : marks[character]])]
            if parts[at : at + len(mark)] != mark:
                skipped = marks[character]
        if character < skipped:
            continue
        if parts[at : at + 1] != [unit]:
            return None
        index = wanted[at][1]
        start, end = places.get(character, (index, index))
        places[character] = (min(start, index), max(end, index + 1))
        at += 1
    return places if at == len(parts) else None


def _units(text: str) -> list[tuple[str, int]]:
    """A text without its blanks, its characters taken apart, each part with its character."""
    parts = [
        (part, index)
        for index, character in enumerate(text)
        for part in unicodedata.normalize("NFKD", character)
        if not part.isspace()
    ]
    # Marks on one letter come in any order: by class, and by place within it.
    classes = [unicodedata.combining(part) for part, _ in parts]
    letters = list(accumulate(kind == 0 for kind in classes))
    order = sorted(range(len(parts)), key=lambda k: (letters[k], classes[k]))
    return [parts[k] for k in order]


def _moved(spans: Spans, places: dict[int, tuple[int, int]]) -> Spans:
    moved: Spans = []
    at = 0
    for start, end in spans:
        found = [places[character] for character in range(start, end) if character in places]
        first = min((place[0] for place in found), default=at)
        at = max((place[1] for place in found), default=at)
        moved.append((first, at))
    return moved


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

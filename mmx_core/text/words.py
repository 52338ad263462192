"""A word: where one begins and ends, when two are the same, and which tokens make it.

Words are those of Unicode's default boundaries (UAX #29), by the library ``regex``, which the
tokenizers of transformers need, too. Scripts that write no blanks (Chinese, Japanese, Thai, ...)
have their characters for words there, and a name is found in any run of them. Three things are
otherwise here: a hyphen joins what it stands between; a full stop without a blank behind it, before
a capital, and a colon part it; and what stands between blanks without a letter is a word, too. So
the words of a text with blanks are those of ``text.split()`` without the marks around them, but
where marks such as ``/`` or ``—`` join several.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate, pairwise
from typing import Any

from mmx_core.text.tokens import UNKNOWN, characters_of_tokens, spelled, token_text

# The last: regex 2026.11 knows them between letters alone, not behind a mark on one.
_JOINING = (
    r"(?<=[\p{L}\p{N}\p{M}])[-\u2010\u2011](?=[\p{L}\p{N}])|(?<=\p{N})[:/](?=\p{N})|(?<=\p{M})"
    r"[\p{Word_Break=MidLetter}\p{Word_Break=MidNumLet}\p{Word_Break=Single_Quote}](?=\p{L})"
)
_PARTING = r"(?<=\p{Ll}\p{M}*)\.(?=\p{Lu})|(?<=[\p{L}\p{M}]):(?=\p{L})"
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Line_Break=SA}]"
_LETTERS = r"[\p{L}\p{N}](?:.*[\p{L}\p{N}\p{M}])?"
_PICTURES = r"[\p{Extended_Pictographic}\p{Regional_Indicator}--[\p{P}©®™]]"
_PAUSE = r"[\p{Terminal_Punctuation}…—–]"
# What readers of Arabic and Hebrew leave out as they like: points, and the stroke that lengthens.
_POINTS = r"[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
_POINTS += r"\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u0640]"
_APOSTROPHES = "'’‘ʼ"
_ELIDED = "[cdjlmnst]|(?:lors|puis|jus|quoi)?qu|un|(?:a|da|co|de|ne|su|que)ll|quest"
# Of Korean, each after what it follows: a consonant, a vowel, or either.
_AFTER_CONSONANT = ("이", "은", "을", "과", "으로", "이랑")
_AFTER_VOWEL = ("가", "는", "를", "와", "로", "랑")
_AFTER_EITHER = ("에서", "에게", "에", "의", "도", "만", "부터", "까지", "처럼")


@dataclass(frozen=True)
class Word:
    """A word of a text.

    Attributes:
        text: As it stands there, without the marks around it.
        start: Its first character's index in the text.
        end: Behind its last.
    """

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Found:
    """A name in a text.

    Attributes:
        words: Indices of the words that spell it.
        start: The first character's index: of "dog" in "dog's", of "éléphant" in "l’éléphant".
        end: Behind the last.
    """

    words: range
    start: int
    end: int


def split_words(text: str) -> list[Word]:
    """The words of a text, in order."""
    words: list[Word] = []
    for chunk in _compiled(r"[^\s\x1c-\x1f]+").finditer(text):
        start = chunk.start()
        inside = list(_words_between_blanks(chunk[0]))
        words += [Word(text[start + a : start + b], start + a, start + b) for a, b in inside] or [
            Word(chunk[0], start, chunk.end())
        ]
    return words


def _words_between_blanks(chunk: str) -> Iterator[tuple[int, int]]:
    cuts = {0, len(chunk), *(found.start() for found in _compiled(r"\b").finditer(chunk))}
    unspaced = _compiled(_UNSPACED)
    for mark in _compiled(_JOINING).finditer(chunk):
        if not (unspaced.match(chunk[mark.start() - 1]) or unspaced.match(chunk[mark.end()])):
            cuts -= {mark.start(), mark.end()}
    for mark in _compiled(_PARTING).finditer(chunk):
        cuts |= set(mark.span())
    ordered = sorted(cuts)
    for start, end in pairwise(ordered):
        if _compiled(_PICTURES).search(chunk, start, end):
            yield start, end
        elif letters := _compiled(_LETTERS).search(chunk, start, end):
            yield letters.span()


@cache
def _compiled(pattern: str) -> Any:
    try:
        import regex
    except ImportError as error:
        raise ImportError(
            "expected the package regex, to tell words; install it: pip install regex"
        ) from error

    return regex.compile(pattern, regex.WORD | regex.V1 | regex.DOTALL)


def pause_between(text: str, before: Word, after: Word) -> bool:
    """Whether a mark that ends a clause stands between two words."""
    between = text[before.end : after.start]
    return bool(_compiled(_PAUSE).search(f"{before.text[-1]}{between}"))


def normalised(text: str) -> str:
    """A text's words as they are compared: without case, marks around them, or ways of writing.

    Full-width forms, composed and decomposed accents are alike, as are ``ß`` and ``ss``, and what
    Arabic and Hebrew leave out; an accent is not left out.
    """
    return " ".join(_folded(word.text) for word in split_words(text))


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text)
    plain = _compiled(rf"{_POINTS}|[\p{{Cf}}\ufe0f]").sub("", plain)
    plain = unicodedata.normalize("NFKC", plain.casefold().replace("i\u0307", "i"))
    return plain.translate(_ALIKE) or text


_ALIKE = str.maketrans({**dict.fromkeys(_APOSTROPHES, "'"), "\u2010": "-", "\u2011": "-"})


def _keys(text: str) -> frozenset[str]:
    """A word is another where they have one of these in common."""
    composed = unicodedata.normalize("NFC", text)
    # In Turkish the small letter of I is ı; which language it is, nobody says.
    return frozenset({_folded(text), _folded(composed.replace("I", "ı").replace("İ", "i"))})


@cache
def _stems() -> tuple[Any, ...]:
    apostrophe, m = rf"[{_APOSTROPHES}]", r"\p{M}*"
    article = rf"(?:[وف]{m})?(?:[بك]?{m}ا{m}ل{m}|ل{m}ل{m})"
    return (
        # "dog" of "dog's", "Ankara" of "Ankara'da"; but no "can" of "can't".
        _compiled(rf"^(.+?){apostrophe}(?!t$).*$"),
        _compiled(rf"^(?i:{_ELIDED}){apostrophe}(.+)$"),
        # The article that Arabic and Hebrew write into the word.
        _compiled(rf"^{article}(\p{{Script=Arabic}}.*\p{{Script=Arabic}}{m})$"),
        _compiled(rf"^(?:[ושמכלב]{m})?ה{m}(\p{{Script=Hebrew}}.*\p{{Script=Hebrew}}{m})$"),
    )


def _parts(word: str) -> Iterator[tuple[int, int]]:
    """Where in a word a name may be spelled: all of it, or without what languages add to it."""
    yield 0, len(word)
    for stem in _stems():
        if found := stem.match(word):
            yield found.span(1)
    for endings, consonant in (
        (_AFTER_CONSONANT, True),
        (_AFTER_VOWEL, False),
        (_AFTER_EITHER, None),
    ):
        for ending in endings:
            before = word[: -len(ending)]
            # Syllables come in rows of 28; the first of each has no consonant at its end.
            if word.endswith(ending) and "가" <= before[-1:] <= "힣":
                closed = (ord(before[-1]) - ord("가")) % 28 > 0
                if consonant in (None, closed):
                    yield 0, len(before)


def find_name(words: Sequence[Word], name: str) -> list[Found]:
    """Where words spell a name: a word or several, each whole; without overlaps, in order.

    A word spells a name also with what its language adds to it: "dog's", "l’éléphant", "الكلب",
    "고양이가".
    """
    wanted = [_keys(word.text) for word in split_words(name)]
    spans = [_spans_by_key(word.text) for word in words]
    found: list[Found] = []
    start = 0
    while wanted and start + len(wanted) <= len(words):
        each = [_span_of(spans[start + k], keys) for k, keys in enumerate(wanted)]
        if None in each:
            start += 1
            continue
        (first, _), (_, last) = each[0] or (0, 0), each[-1] or (0, 0)
        final = start + len(wanted) - 1
        found.append(
            Found(range(start, final + 1), words[start].start + first, words[final].start + last)
        )
        start = final + 1
    return found


@lru_cache(maxsize=16_384)
def _spans_by_key(word: str) -> dict[str, tuple[int, int]]:
    spans: dict[str, tuple[int, int]] = {}
    for start, end in _parts(word):
        for key in _keys(word[start:end]):
            spans.setdefault(key, (start, end))
    return spans


def _span_of(spans: Mapping[str, tuple[int, int]], keys: frozenset[str]) -> tuple[int, int] | None:
    return next((spans[key] for key in keys if key in spans), None)


def find_names(text: str, names: Sequence[str]) -> dict[str, list[range]]:
    """Of each name the words of a text that spell it: of "hot dog" and "dog" the longer one's."""
    words = split_words(text)
    found = {name: [place.words for place in find_name(words, name)] for name in names}
    return {
        name: [
            place
            for place in places
            if not any(
                len(other) > len(place) and set(place) <= set(other)
                for others in found.values()
                for other in others
            )
        ]
        for name, places in found.items()
    }


def pieces_of_name(pieces: Sequence[str], name: str) -> list[int]:
    """Of a text in pieces the indices of those that hold any of a name, where it is first."""
    found = find_name(split_words("".join(pieces)), name)[:1]
    ends = list(accumulate(map(len, pieces)))
    spans = list(zip([0, *ends], ends, strict=False))
    return [index for place in found for index in tokens_within(spans, place.start, place.end)]


def tokens_of_words(tokenizer: Any, answer: str, ids: list[int]) -> list[list[int]]:
    """For each word of an answer the indices of all tokens that carry any of its bytes.

    Args:
        tokenizer: The model's.
        answer: The answer's text; its words are those of :func:`split_words`.
        ids: Its tokens.

    Raises:
        ValueError: The tokens do not spell the answer.
    """
    spans = characters_of_tokens(tokenizer, answer, ids)
    return [tokens_within(spans, word.start, word.end) for word in split_words(answer)]


def tokens_within(spans: Sequence[tuple[int, int]], start: int, end: int) -> list[int]:
    """Indices of the tokens, in order, that have a character from start up to end."""
    first = bisect_right(spans, start, key=lambda span: span[1])
    last = bisect_left(spans, end, key=lambda span: span[0])
    return [index for index in range(first, last) if spans[index][0] < spans[index][1]]


def words_within(text: str, start: int, end: int) -> tuple[int, ...]:
    """Indices of the words of a text that have a character from start up to end."""
    words = enumerate(split_words(text))
    return tuple(index for index, word in words if word.start < end and word.end > start)


def word_groups(tokenizer: Any, ids: Sequence[int]) -> list[tuple[int, str]]:
    """Parts tokens into words and what is between them: each part's first token, and its text.

    Two tokens belong together where they carry parts of one word, or of one character.
    """
    text, spans = spelled(tokenizer, ids)
    owners: list[set[int]] = [set() for _ in ids]
    for number, word in enumerate(split_words(text)):
        for token in tokens_within(spans, word.start, word.end):
            owners[token].add(number)
    firsts = [
        index
        for index in range(len(ids))
        if index == 0
        or not (owners[index - 1] & owners[index] or spans[index - 1][1] > spans[index][0])
    ]
    groups: list[tuple[int, str]] = []
    for first, end in pairwise([*firsts, len(ids)]):
        said = text[spans[first][0] : spans[end - 1][1]]
        own = token_text(tokenizer, ids[first])
        if UNKNOWN in said:
            said = "".join(token_text(tokenizer, token) for token in ids[first:end])
        elif own.startswith(" ") and not said.startswith(" "):
            # Decoding takes the blank off the first of all.
            said = f" {said}"
        groups.append((first, said))
    return groups

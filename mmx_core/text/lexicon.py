"""Parts of speech of single English words, without a download.

The published evaluation of Token Activation Map (arXiv 2506.23270) tags each word by itself:
function words are those with the Penn tags CC, DT, EX, MD, POS, PRP, PRP$, UH, WDT, WP, WP$ and
WRB. Prepositions, "to" and numbers are not among them there. These classes are closed, so they are
written out here; nouns come from the dictionary of lemminflect.
"""

from __future__ import annotations

from functools import lru_cache

from mmx_core.text.words import normalised, split_words

_CLOSED_CLASSES = {
    "coordinating conjunctions (CC)": "and but or nor yet either neither plus both",
    "determiners (DT)": "a an the this these those each every all some any another no such half",
    "existential there (EX)": "there",
    "modal verbs (MD)": "can could may might must shall should will would ought cannot ca wo",
    "possessive endings (POS)": "'s ’s '",
    "personal pronouns (PRP)": "i me you he him she her it we us they them myself yourself "
    "himself herself itself ourselves yourselves themselves oneself mine yours hers ours theirs",
    "possessive pronouns (PRP$)": "my your his its our their",
    "interjections (UH)": "oh ah wow hey hello hi yes ok okay please alas oops hmm",
    "wh-determiners (WDT)": "which whichever",
    "wh-pronouns (WP, WP$)": "who whom whose what whoever whomever whatever",
    "wh-adverbs (WRB)": "when where why how whenever wherever",
}
# Of closed classes, too, and so missing in a dictionary of open ones: they are no names.
_PARTICLES = frozenset(
    "of in on at by for with from to into onto over under behind beside besides between near above "
    "below across along around through against among amid toward towards upon within without about "
    "after before during since until till than as if whether while because although though that so "
    "not very up down out off away is are was were be been being am has have had having do does "
    "did many much more most few other others own same per".split()
)
_NO_NOUNS = _PARTICLES | frozenset(
    "one two three four five six seven eight nine ten eleven twelve".split()
)
FUNCTION_WORDS = frozenset(word for words in _CLOSED_CLASSES.values() for word in words.split())


def stem(word: str) -> str:
    """The word before an apostrophe: "it" of "it's", "woman" of "woman's"."""
    return normalised(word).split("'")[0]


def is_function_word(word: str) -> bool:
    """Whether a word names nothing, such as "the", "and", "there", "which", "it's"."""
    return normalised(word) in FUNCTION_WORDS or stem(word) in FUNCTION_WORDS


def is_content_word(word: str) -> bool:
    """Whether a word says something by itself: no function word, preposition or auxiliary.

    Numbers do; so does every word of a language whose closed classes are not known here.
    """
    return not is_function_word(word) and stem(word) not in _PARTICLES


@lru_cache(maxsize=16_384)
def noun_lemma(word: str, *, or_adjective: bool = False, or_participle: bool = False) -> str | None:
    """The singular of a noun; None for what is not one.

    A word counts as a noun if the dictionary knows it as one and not as an adjective, nor as a form
    of a verb in -ing. A word that the dictionary does not know counts as a name if its letters are
    English ones.

    Args:
        word: As it stands in the answer.
        or_adjective: Take words that are both, too: "fork", "light", "orange".
        or_participle: Likewise "building" and "sitting".

    Raises:
        ImportError: lemminflect is not installed.
    """
    try:
        import lemminflect
    except ImportError as error:
        raise ImportError(
            "expected lemminflect, to tell nouns; install it: pip install lemminflect"
        ) from error
    plain = stem(word)
    if not plain.replace("-", "").isalpha() or plain in FUNCTION_WORDS | _NO_NOUNS:
        return None
    readings = lemminflect.getAllLemmas(plain)
    if not readings and not plain.isascii():
        return None
    if not readings:
        guessed = lemminflect.getAllLemmasOOV(plain, upos="NOUN").get("NOUN", (plain,))
        return str(guessed[0])
    if "NOUN" not in readings or ("ADJ" in readings and not or_adjective):
        return None
    # "sitting" comes of "sit"; "ring" comes of itself.
    participle = plain.endswith("ing") and plain not in readings.get("VERB", (plain,))
    if participle and not or_participle:
        return None
    return str(readings["NOUN"][0])


_AMOUNTS = frozenset("bunch couple crowd flock group herd lot number pair piece row set".split())
"""What is counted or seen is what follows their "of"."""


def head_of(phrase: str) -> str:
    """What a noun phrase names, in the singular: "man" of "two men in red coats".

    That is its last noun before what says where it is or what it does, and "people" of "a group of
    people"; of a phrase without a noun the phrase itself.
    """
    head = either = None
    for word in split_words(phrase):
        # Where nothing is named yet, nothing does anything: a building, or a fishing boat.
        noun = noun_lemma(word.text, or_participle=head is None)
        if head in _AMOUNTS and word.text.lower() == "of":
            head = None
            continue
        if noun is None and head is not None:
            doing = normalised(word.text).endswith(("ing", "ed"))
            if doing or not is_content_word(word.text):
                break
        head = noun or head
        either = noun_lemma(word.text, or_adjective=True) or either
    return head or either or phrase


def noun_words(answer: str) -> list[int]:
    """Indices of an answer's words that are nouns."""
    return [i for i, word in enumerate(split_words(answer)) if noun_lemma(word.text) is not None]


def function_words_of(answer: str) -> list[int]:
    """Indices of an answer's words that are function words."""
    return [i for i, word in enumerate(split_words(answer)) if is_function_word(word.text)]

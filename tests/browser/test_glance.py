"""What a reader sees at a glance, and five things that one comes for, having read nothing."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.evaluate import evaluate
from demo.probe import probe_samples
from demo.words import COLORS, SHAPES
from tests.browser.browser import choose_run, open_panel, wait_ready
from tests.support.tensorboard_server import ROOT, serve

CHECKPOINTS = (
    "blind/step-000250", "control/step-000650", "grounded/step-000000", "grounded/step-003800",
)  # fmt: skip
UNTRAINED, TRAINED, CONTROL = ("grounded", 0), ("grounded", 3800), ("control", 650)
BLIND = ("blind", 250)
SHOWN = "2"
TINTED = 20
"""By how many levels red exceeds blue where orange is seen on white."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Iterator[str]:
    """TensorBoard over some checkpoints of the demo, explained on few scenes."""
    folder = tmp_path_factory.mktemp("glance")
    for name in CHECKPOINTS:
        (folder / "checkpoints" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "checkpoints" / name).symlink_to(ROOT / "demo" / "checkpoints" / name)
    samples = [replace(sample, id=str(i)) for i, sample in enumerate(probe_samples(4))]
    evaluate(folder / "checkpoints", folder / "runs", samples)
    with serve(Path(folder / "runs")) as url:
        yield url


def opened(page, base, place, sample=SHOWN, **options):
    run, step = place
    address = f"p.mmx.run={run}&p.mmx.tag=mmx%2Fval%2F{sample}&p.mmx.step={step}"
    frame = open_panel(page, base, address, **options)
    frame.wait_for_function(
        "document.querySelector('mmx-panel').shadowRoot.querySelector('mmx-legend')"
        ".shadowRoot.textContent.includes('all steps')"
    )
    return frame


def tinted(page, frame) -> dict[str, float]:
    """Per word of the answer, the share of its pixels that are orange; not those of its frame."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    red, green, blue = np.moveaxis(np.asarray(picture).astype(float), 2, 0)
    orange = (red - blue > TINTED) & (green > (red + blue) / 2 - 12)
    shares: dict[str, float] = {}
    for word in frame.locator(".answer").all():
        box = word.bounding_box()
        left, top = int(box["x"]), int(box["y"])
        inside = orange[top : top + int(box["height"]), left : left + int(box["width"])]
        text = word.inner_text()
        shares[text] = max(float(inside.mean()), shares.get(text, 0.0))
    return shares


def test_untrained_blind_control_and_trained_are_told_apart_by_the_strip_alone(page, demo):
    seen, keys, doubtful = {}, set(), {}
    for place in (UNTRAINED, BLIND, CONTROL, TRAINED):
        frame = opened(page, demo, place)
        seen[place] = tinted(page, frame)
        doubtful[place] = frame.locator(".answer.doubtful").count() / len(seen[place])
        keys.add(frame.locator(".key [data-term=image_gain]").inner_text())
    assert len(keys) == 1, "the tint means the same in each run"
    area = {place: sum(shares.values()) for place, shares in seen.items()}
    assert max(area[UNTRAINED], area[BLIND]) < 0.1 * area[TRAINED], "none of them sees"
    assert area[BLIND] + 0.1 < area[CONTROL] < 0.6 * area[TRAINED]
    assert doubtful[BLIND] < doubtful[UNTRAINED], "it has learnt to speak"
    standing_out = {
        place: {word for word, share in shares.items() if share > 0.3}
        for place, shares in seen.items()
    }
    assert not standing_out[UNTRAINED] | standing_out[BLIND]
    assert not standing_out[CONTROL] & set(SHAPES), "the control reads colours and no shape"
    assert standing_out[TRAINED] & set(SHAPES)
    assert standing_out[TRAINED] & set(COLORS)
    function_words = {"a", "is", "of", "and", "on", "."}
    assert max(seen[TRAINED].get(word, 0) for word in function_words) < 0.05


def test_what_the_model_would_not_have_said_is_framed_said_and_walked_through(page, demo):
    frame = opened(page, demo, UNTRAINED)
    words, doubtful = frame.locator(".answer").count(), frame.locator(".answer.doubtful").count()
    assert doubtful > 0.8 * words
    assert frame.locator(".given").inner_text() == "answer given"
    frame.click(".answer >> nth=0")
    page.keyboard.press("n")
    frame.wait_for_selector('.answer.doubtful[aria-selected="true"] >> nth=0')
    told = frame.locator("mmx-sentence p").inner_text()
    assert "the model would say “" in told
    assert "not this" in told
    page.keyboard.press("]")
    frame.wait_for_selector('section.seen[data-step="3800"]')
    wait_ready(frame)
    assert frame.locator(".answer.doubtful").count() < 0.2 * words


def test_a_colour_means_the_same_at_every_step(page, demo):
    frame = opened(page, demo, UNTRAINED)
    high = frame.locator("mmx-legend .high")
    full = frame.locator(".key [data-term=image_gain]")
    held = high.inner_text(), full.inner_text()
    page.keyboard.press("]")
    frame.wait_for_selector('section.seen[data-step="3800"]')
    assert (high.inner_text(), full.inner_text()) == held
    page.keyboard.press("[")
    frame.wait_for_selector('section.seen[data-step="0"]')
    frame.select_option('select[title^="Range"]', "step")
    assert float(high.inner_text()) < 0.5 * float(held[0])


def test_a_number_explains_itself_when_it_is_pointed_at_or_focused(page, demo):
    frame = opened(page, demo, TRAINED)
    tip = frame.locator("mmx-term-tip div")
    frame.hover('[data-term="image_gain"] >> nth=0')
    tip.filter(has_text="other pictures").wait_for()
    page.mouse.move(2, 2)
    tip.wait_for(state="detached")
    frame.locator("mmx-legend [data-term=logit]").focus()
    page.keyboard.press("Tab")
    tip.filter(has_text="any step of the sample").wait_for()
    page.keyboard.press("Escape")
    tip.wait_for(state="detached")


def test_who_comes_first_is_shown_around_once(browser, demo):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    frame = opened(context.new_page(), demo, TRAINED, first=True)
    guide = frame.locator("mmx-guide section")
    guide.filter(has_text=" nats), “").wait_for()
    assert frame.locator("mmx-answer-strip.pointed").count() == 1
    frame.click("mmx-guide .next")
    guide.filter(has_text="2 of 4").wait_for()
    frame.click("mmx-guide button:has-text('No more')")
    guide.wait_for(state="detached")
    assert frame.locator(".pointed").count() == 0
    again = opened(context.new_page(), demo, TRAINED, first=True)
    assert again.locator("mmx-guide").count() == 0
    context.close()


def said(frame, word: str) -> str:
    """The sentence of a word of the answer, once it is selected."""
    frame.locator(f'.answer:text-is("{word}")').first.click()
    sentence = frame.locator(f"mmx-sentence p:has-text('“{word}”:')")
    return sentence.first.inner_text()


def beside(frame, run: str) -> None:
    """Compares with a run."""
    narrow = frame.locator('select[aria-label="Compare"]')
    if narrow.is_visible():
        narrow.select_option("side")
    else:
        frame.click('[aria-label="Compare"] button:text-is("side")')
    choose_run(frame, run, "Run of B")
    frame.wait_for_selector(f".badge:has-text('B · {run}')")
    wait_ready(frame)


def test_one_finds_the_sample_that_got_worse_and_the_word(page, demo):
    frame = opened(page, demo, CONTROL)
    beside(frame, "grounded")
    frame.select_option('select[aria-label="Step of B"]', "3800")
    frame.wait_for_selector('section.seen[data-other-step="3800"]')
    frame.click('button[aria-label="Table of samples"]')
    frame.check("mmx-difference-bar input")
    rows = frame.locator("mmx-sample-table [role=row]:not(.head)")
    frame.wait_for_selector('mmx-sample-table [aria-sort="ascending"]:has-text("obj_iou")')
    assert rows.count() >= 2
    assert rows.locator("b.worse").count() >= rows.count()
    rows.first.click()
    wait_ready(frame)
    assert rows.first.get_attribute("aria-selected") == "true"
    word = frame.locator('.answer.changed[aria-selected="true"]').first.inner_text()
    told = frame.locator("mmx-sentence p").first.inner_text()
    assert told.startswith(f"“{word}”: ") and "B (grounded, step 3,800): " in told


def test_one_sees_why_a_word_is_wrong(page, demo):
    frame = opened(page, demo, CONTROL)
    frame.click('button[aria-label="Next doubtful word"]')
    frame.wait_for_selector('.answer.doubtful[aria-selected="true"]')
    told = frame.locator("mmx-sentence p").inner_text()
    instead = re.search(r"the model would say “(.+?)” \(([.\d]+)\), not this", told)
    assert instead and "scales agree" in told
    first = frame.locator("mmx-candidates li").first
    assert first.locator(".name").inner_text() == instead[1]
    assert instead[2] in first.locator(".number").inner_text()


def test_one_tells_read_from_guessed_at_step_0_blind_and_on_the_control_too(page, demo):
    frame = opened(page, demo, TRAINED)
    words = frame.locator(".answer").all_inner_texts()
    shape = next(word for word in words if word in SHAPES)
    assert "it needs the picture (+" in said(frame, shape)
    assert "with other pictures it is as likely" in said(frame, "is")
    for place in (UNTRAINED, BLIND, CONTROL):
        frame = opened(page, demo, place)
        told = said(frame, shape)
        assert "needs the picture" not in told and "nats)" in told


def test_one_puts_a_comparison_into_a_chat(page, demo):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=demo)
    frame = opened(page, demo, TRAINED)
    beside(frame, "control")
    frame.click('button[aria-label="Export"]')
    link = frame.locator("mmx-export-dialog a:text-is('PNG')")
    name = link.get_attribute("download")
    assert all(part in name for part in ("grounded", "control", "3800", "650"))
    frame.click("mmx-export-dialog button:text-is('Copy picture')")
    frame.wait_for_selector("mmx-export-dialog [role=status]:text-is('copied')")
    kinds = frame.evaluate(
        "navigator.clipboard.read().then(([item]) => item.getType('image/png'))"
        ".then((blob) => createImageBitmap(blob)).then(({width, height}) => [width, height])"
    )
    assert min(kinds) > 300
    page.keyboard.press("Escape")


def test_one_sees_which_of_two_runs_reads_the_sample_better(page, demo):
    frame = opened(page, demo, TRAINED)
    beside(frame, "control")
    whole = frame.locator("mmx-sentence .whole")
    figures = whole.inner_text()
    before, after = re.search(r"obj_iou ([.\d]+) → ([.\d]+)", figures).groups()
    assert float(before) < float(after)
    assert whole.locator("b.better").first.inner_text() == after
    assert re.search(r"doubtful \d+ of \d+ → \d+ of \d+", figures)

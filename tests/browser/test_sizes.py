"""The panel at real sizes: many steps, long names, prompts and answers, and little room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from mmx_core.events import ExplanationWriter
from mmx_core.explanation import Explanation
from tests.browser.browser import open_panel, run_shown, wait_ready
from tests.support.explanations import make_explanation, make_image
from tests.support.tensorboard_server import serve

NAME = "sweep-2026/lr={}_bs=32_warmup=500_model=qwen2.5-vl-3b/checkpoint-final"
A, B = NAME.format("0.001"), NAME.format("0.01")
STEPS = (0, 10, 20, 50, 100, *range(12_000, 39_500, 500))
SCALES = ((1.0, (6, 8)), (2.0, (12, 16)))
HEBREW = ("העיגול", "האדום", "משמאל", "לריבוע", "הכחול")
ANSWER, PROMPT = 700, 120
PANEL = "document.querySelector('mmx-panel')"
STRIP = f"{PANEL}.shadowRoot.querySelector('mmx-answer-strip').shadowRoot"
_OVERLAPS = """() => {
  const root = document.querySelector('mmx-panel').shadowRoot;
  const header = root.querySelector('mmx-header').shadowRoot;
  const kinds = 'mmx-run-picker, mmx-sample-picker, mmx-step-slider';
  const within = [header, ...[...header.querySelectorAll(kinds)].map((part) => part.shadowRoot)];
  const parts = within
    .flatMap((one) => [...one.querySelectorAll('button, select, input, .value')])
    .map((p) => ({ name: p.ariaLabel || p.textContent, box: p.getBoundingClientRect() }))
    .filter(({ box }) => box.width);
  const meet = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  return parts.flatMap((a, i) => [
    ...(a.box.right > innerWidth + 1 ? [`${a.name} is cut`] : []),
    ...parts.slice(i + 1).filter((b) => meet(a.box, b.box)).map((b) => `${a.name} / ${b.name}`),
  ]);
}"""


def make(tokens: int, prompt: int, words: tuple[str, ...] = (), seed: int = 0) -> Explanation:
    """With gains, and the answer's words of a script of one's own."""
    image = make_image(width=160, height=120, seed=1)
    base = make_explanation(tokens, prompt + 2, SCALES, seed=seed, image=image)
    gain = np.random.default_rng(seed).gamma(1, 1, tokens).astype(np.float32)
    if not words:
        return replace(base, image_gain=gain)
    start = base.prompt_length
    context = tuple(
        token if k < start else replace(token, text=" " + words[k % len(words)], id=k)
        for k, token in enumerate(base.context)
    )
    return replace(base, image_gain=gain, context=context, tokens=context[start:])


@pytest.fixture(scope="module")
def sizes(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sizes")
    for seed, run in enumerate((A, B)):
        with ExplanationWriter(folder / run) as writer:
            for step in STEPS:
                writer.add_explanation("val/short", make(6, 4, seed=seed + step), step)
            writer.add_explanation("val/long", make(ANSWER, PROMPT, seed=seed), STEPS[-1])
            writer.add_explanation("val/rtl", make(40, 4, HEBREW, seed=seed), STEPS[-1])
    with serve(folder) as url:
        yield url


def opened(page, base, sample: str, more: str = ""):
    run = A.replace("/", "%2F").replace("=", "%3D")
    return open_panel(page, base, f"p.mmx.run={run}&p.mmx.tag=mmx%2Fval%2F{sample}{more}")


def compared(frame) -> None:
    frame.evaluate(f"{PANEL}.model.change({{compare: 'side', otherRun: '{B}'}})")
    wait_ready(frame)
    frame.wait_for_selector("mmx-answer-strip .under")


def settled(page, frame) -> None:
    """What was laid out anew is drawn."""
    frame.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def test_controls_never_lie_over_each_other_and_names_say_what_differs(page, sizes):
    frame = opened(page, sizes, "short")
    assert run_shown(frame) == "sweep-2026/lr…kpoint-final"
    for compare in (False, True):
        if compare:
            compared(frame)
        for width in (340, 420, 640, 800, 1000, 1280):
            page.set_viewport_size({"width": width, "height": 700})
            settled(page, frame)
            assert frame.evaluate(_OVERLAPS) == [], (compare, width)
            assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
    assert run_shown(frame).startswith("…lr=0.001_")
    assert run_shown(frame, "Run of B").startswith("…lr=0.01_")


def test_the_film_of_sixty_steps_keeps_its_labels_and_says_where_steps_lie_in_time(page, sizes):
    frame = opened(page, sizes, "short", "&p.mmx.film=1&p.mmx.step=39000")
    frame.wait_for_selector("mmx-filmstrip h2:has-text('over 60 steps × 2 scales')")
    names = frame.locator("mmx-filmstrip .steps button").all_inner_texts()
    assert len(set(names)) == len(names) == 60
    film = frame.locator("mmx-filmstrip")
    room = film.bounding_box()
    assert film.evaluate("(film) => film.scrollLeft") > 0
    labels = film.locator(".label")
    for box in (label.bounding_box() for label in labels.all()):
        assert room["x"] <= box["x"] < room["x"] + 8
    assert labels.nth(1).inner_text() == "in time"
    lines = film.locator(".leaders path").get_attribute("d").split("M")[2:]
    starts = [float(line.split(",")[0]) for line in lines]
    ends = [float(line.split("L")[1].split(",")[0]) for line in lines]
    spread = (starts[-1] - starts[0]) / (STEPS[-1] - STEPS[0])
    expected = [starts[0] + spread * step for step in STEPS]
    assert starts == pytest.approx(expected, abs=0.1)
    assert ends == sorted(ends)


def test_a_long_prompt_folds_and_a_long_answer_scrolls_with_a_map_of_itself(page, sizes):
    frame = opened(page, sizes, "long", "&p.mmx.token=300")
    fold = frame.locator("mmx-answer-strip .fold")
    assert f"prompt: {PROMPT} words" in fold.inner_text()
    text = frame.locator("mmx-answer-strip .text")
    selected = frame.locator('mmx-answer-strip [aria-selected="true"]')

    def is_in_view() -> bool:
        box, word = text.bounding_box(), selected.bounding_box()
        bottom = box["y"] + box["height"]
        return box["y"] - 2 <= word["y"] and word["y"] + word["height"] <= bottom + 2

    assert is_in_view()
    for size in ((500, 800), (1280, 800)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        settled(page, frame)
        assert is_in_view(), size
    drawn = frame.locator("mmx-answer-strip .answer")
    before = int(drawn.last.get_attribute("data-token-index"))
    assert before < ANSWER - 1
    text.evaluate("(text) => (text.scrollTop = text.scrollHeight)")
    frame.wait_for_selector(f'mmx-answer-strip [data-token-index="{before + 40}"]')
    frame.wait_for_function(f"{STRIP}.querySelector('mmx-minimap').seen[1] >= 380")
    first, last = frame.locator("mmx-minimap").evaluate("({ seen }) => seen")
    assert first < before <= last + 1, "the words that were in view still are"
    box = frame.locator("mmx-minimap canvas").bounding_box()
    page.mouse.click(box["x"] + 0.95 * box["width"], box["y"] + 5)
    frame.wait_for_function(f"{PANEL}.model.view.token > 600")
    token = frame.evaluate(f"{PANEL}.model.view.token")
    assert token == pytest.approx(0.95 * ANSWER, abs=4)
    settled(page, frame)
    assert is_in_view()
    fold.click()
    frame.wait_for_selector('mmx-answer-strip .prompt[data-context-index="1"]')


def test_an_answer_from_the_right_stays_so_with_b_under_it_line_by_line(page, sizes):
    frame = opened(page, sizes, "rtl")
    for compare in (False, True):
        if compare:
            compared(frame)
        words = frame.locator("mmx-answer-strip .answer")
        first, second = (words.nth(i).bounding_box() for i in (0, 1))
        assert first["x"] > second["x"] and abs(first["y"] - second["y"]) < 2
    under = frame.locator("mmx-answer-strip .column:has(.answer) .under")
    for i in (0, 20, 39):
        above, below = words.nth(i).bounding_box(), under.nth(i).bounding_box()
        assert below["y"] >= above["y"] + above["height"] - 4
        assert below["y"] < above["y"] + 2 * above["height"]
        assert above["x"] < below["x"] + below["width"] and below["x"] < above["x"] + above["width"]


@pytest.mark.parametrize("size", [(420, 800), (640, 400)], ids=["side panel", "zoomed to 200 %"])
@pytest.mark.parametrize("compare", [False, True], ids=["one", "two"])
def test_the_picture_is_above_the_fold(page, sizes, size, compare):
    page.set_viewport_size({"width": size[0], "height": size[1]})
    frame = opened(page, sizes, "long", "&p.mmx.token=300")
    if compare:
        compared(frame)
    box = frame.locator("mmx-stage").first.bounding_box()
    assert size[1] - box["y"] > min(box["height"], 150)


def test_the_browsers_back_goes_through_the_views_and_stays_in_tensorboard(new_page, sizes):
    frame = opened(new_page, sizes, "short", "&p.mmx.token=0")
    entries = new_page.evaluate("history.length")
    frame.click('mmx-answer-strip [data-token-index="3"]')
    new_page.wait_for_function("location.hash.includes('p.mmx.token=3')")
    frame.click("button:text-is('over steps')")
    new_page.wait_for_function("location.hash.includes('p.mmx.film=1')")
    assert new_page.evaluate("history.length") == entries + 2
    # The panel's own goes through the same entries: the browser's next press is no dead one.
    frame.click('[aria-label="Back to the view before"]')
    frame.wait_for_function(f"!{PANEL}.model.view.film && {PANEL}.model.view.token === 3")
    new_page.go_back()
    frame.wait_for_function(f"{PANEL}.model.view.token === 0 && {PANEL}.model.history.isEmpty")
    assert new_page.url.startswith(sizes)

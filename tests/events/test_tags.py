"""Names: whatever sets, samples and metrics are called, no record takes another's tag."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmx_core.events.records import explanation_event, image_event, means_event
from mmx_core.events.tags import (
    MAX_TAG_BYTES,
    check_names,
    check_run,
    encoded,
    image_hash,
    means_prefix,
    metric_tag,
    natural_key,
    sample_tags,
    shown_name,
)
from tests.support.explanations import make_explanation

ODD = ("val", "mmx", "images", "default", "grounding", "mean", "mmx_metrics", "%", "%2F", "%25")
texts = st.lists(
    st.one_of(
        st.sampled_from([*ODD, "/", "\\", '"', "\n", "\u200d", "\udcff", "é", " "]), st.text()
    ),
    max_size=4,
).map("".join)


@given(texts)
@example("C:\\img\\1.jpg")
@example("\ud83d\udc36")
def test_what_is_encoded_is_shown_as_it_was_written(name):
    stored = encoded(name)
    assert shown_name(stored) == name
    assert stored.isprintable() and not set(stored) & {'"', "\\"}


@given(st.lists(st.tuples(texts, texts, texts), min_size=2, max_size=5))
def test_no_two_names_share_a_tag(names):
    """Explanations, index records, a sample's metrics and a set's means are all kept apart."""
    owners: dict[str, object] = {}
    for set_name, sample, metric in names:
        if "/" in set_name:
            continue  # the set is what stands before the first slash
        try:
            tags = sample_tags(f"{set_name}/{sample}")
            (mean,) = means_event(set_name, {metric: 1.0}, step=0, wall_time=0).summary.value
        except ValueError:
            assert not set_name or not sample or set_name in ("mmx", "images")
            continue
        for owner, tag in (
            (("explanation", set_name, sample), tags.explanation),
            (("record", set_name, sample), tags.record),
            (("metric", set_name, sample, metric), metric_tag(tags.metrics, metric)),
            (("mean", set_name, metric), mean.tag),
        ):
            assert owners.setdefault(tag, owner) == owner
            assert not tag.startswith("mmx/images/")


def test_an_events_tags_are_those_of_its_sample_alone():
    made = make_explanation(metrics={"a/b": 0.5, "grounding": 1.0})
    event = explanation_event("val/mean", made, step=0, wall_time=0)
    assert [value.tag for value in event.summary.value] == [
        "mmx/val/mean",
        "mmx_index/val/mean",
        "mmx_sample_metrics/val/mean/a%2Fb",
        "mmx_sample_metrics/val/mean/grounding",
    ]
    (image,) = image_event(made.image, wall_time=0).summary.value
    assert image.tag == f"mmx/images/{made.image.hash}"
    quiet = explanation_event("val/mean", made, step=0, wall_time=0, scalars=False)
    assert len(quiet.summary.value) == 2


@pytest.mark.parametrize(
    ("tag", "stored"),
    [
        ("0007", "mmx/default/0007"),
        ("val//data/1.jpg", "mmx/val//data/1.jpg"),
        ("val/C:\\1.jpg", "mmx/val/C:%5C1.jpg"),
        ("mmx/val/C:%5C1.jpg", "mmx/val/C:%5C1.jpg"),
        ("val/100%", "mmx/val/100%25"),
        ("mmx/val/100%", "mmx/val/100%25"),
        ("val/a\nb", "mmx/val/a%0Ab"),
    ],
)
def test_a_name_is_stored_once_however_it_is_given(tag, stored):
    assert sample_tags(tag).explanation == stored
    assert sample_tags(stored).explanation == stored


@pytest.mark.parametrize(
    ("set_name", "sample", "told"),
    [
        ("mmx", "val/3", "a set 'mmx' could not be told"),
        ("images", "3", "reserved for images"),
        ("", "3", "neither of them empty"),
        ("val", "", "neither of them empty"),
        ("val", "x" * 20_000, "give the sample a shorter id"),
    ],
)
def test_a_name_that_cannot_be_stored_is_refused_by_the_rule_it_breaks(set_name, sample, told):
    if set_name != "mmx":  # a full tag is taken as it is stored
        with pytest.raises(ValueError, match=told):
            sample_tags(f"{set_name}/{sample}")
    with pytest.raises(ValueError, match=told):
        check_names(set_name, ["fine", sample])


@pytest.mark.parametrize("run", ['lr "1e-4"', "exp\\one", "a/b\nc", "\udcff/x"])
def test_a_directory_that_tensorboard_could_not_read_blobs_of_is_refused(run):
    with pytest.raises(ValueError, match="rename the directory"):
        check_run(run)


@pytest.mark.parametrize("run", ["runs/läuft 100 % <b>", "s3://bucket/runs", "/abs/dir", "."])
def test_other_directories_are_taken(run):
    check_run(run)


def test_a_name_as_long_as_allowed_is_taken_and_a_byte_more_refused():
    name = "val/" + "é" * ((MAX_TAG_BYTES - 4) // 2)
    name += "x" * (MAX_TAG_BYTES - len(name.encode()))
    assert sample_tags(name).explanation == f"mmx/{name}"
    with pytest.raises(ValueError, match=f"at most {MAX_TAG_BYTES} bytes, got {MAX_TAG_BYTES + 1}"):
        sample_tags(name + "x")


def test_means_stand_below_their_set_and_reserved_sets_have_none():
    assert means_prefix("val") == "mmx_metrics/val/"
    assert means_prefix('a "b') == "mmx_metrics/a %22b/"
    for name in ("mmx", "images", "images/one"):
        with pytest.raises(ValueError, match="name it otherwise"):
            means_prefix(name)


def test_what_looks_like_an_encoding_and_is_none_is_shown_as_it_stands():
    assert shown_name("mmx/val/caf%FF") == "val/caf%FF"
    assert shown_name("mmx/val/caf%C3%A9%FF") == "val/caf%C3%A9%FF"


def test_an_images_tag_ends_in_its_hash():
    assert image_hash("mmx/images/0a1b") == "0a1b"
    assert image_hash("mmx/val/images") is None


def test_numbers_in_names_sort_by_their_value():
    names = ["a10", "a2", "a", "b1", "2", "010", "9", "a02b", "1" * 5000]
    ordered = sorted(names, key=natural_key)
    assert ordered == ["2", "9", "010", "1" * 5000, "a", "a2", "a02b", "a10", "b1"]

"""The page: everything is on it, it needs nothing else, and no name can break it."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from spica.boxes import no_boxes
from spica.detections import Detections, no_detections
from spica.labels.labelled import LabelledImage, Labels
from spica.report import findings, report_page, sharpness_of, worst_pictures
from spica.scoring.evaluation import evaluate
from spica.scoring.rules import KAGGLE, RSNA, RULES, WILDS, Rule

VOID = {"br", "col", "img", "meta"}
SECTIONS = ["scores", "counts", "thresholds", "reliability", "errors", "worst"]
MOST_BYTES = 5_000_000
EVIL = "<script>alert(1)</script>\"'&"


class Page(HTMLParser):
    """A page read strictly: every element is closed, in the right order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} is there twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def written(
    labels: Labels, found: list[Detections], threshold: float = 0.5, rule: Rule = KAGGLE, remarks: tuple[str, ...] = ()
) -> str:
    evaluation = replace(evaluate(found, labels, threshold, rule, average_precision=False), remarks=remarks)
    said = findings(found, labels, evaluation, sharpness_of(labels), rule)
    return report_page(said, worst_pictures(evaluation.worst, found, labels, threshold), "wheat.onnx on mine")


def found_on(labels: Labels) -> list[Detections]:
    """The first head of each photo, and a box beside all heads."""
    aside = np.array([[1, 1, 5, 5]], dtype=np.float32)
    found = []
    for image in labels:
        boxes = np.concatenate([image.boxes[:1], aside])
        found.append(Detections(boxes, np.linspace(0.9, 0.7, len(boxes), dtype=np.float32)))
    return found


@pytest.fixture
def page(painted_labels: Labels) -> str:
    return written(painted_labels, found_on(painted_labels))


def test_the_page_says_which_boxes_the_score_takes(page: str, painted_labels: Labels) -> None:
    assert "boxes from score 0.5 on" in page
    assert "The score takes boxes from score 0.5 on: it is " in page
    other = written(painted_labels, found_on(painted_labels), 0.0, WILDS)
    assert other.count("boxes above score 0.5 (all other numbers: from score 0 on)") == 2


def test_remarks_stand_under_the_score_and_above_all_else(page: str, painted_labels: Labels) -> None:
    remarks = ("2 of the 3 photos were trained on", EVIL)
    remarked = written(painted_labels, found_on(painted_labels), remarks=remarks)
    read = Page(remarked)
    places = [read.text.index(f"Note: {one}.") for one in remarks]
    assert read.text.index("score, rule kaggle") < places[0] < places[1] < read.text.index("of the heads are found")
    assert EVIL not in remarked
    assert "Note: " not in page


def test_the_page_is_well_formed_and_has_every_section(page: str) -> None:
    read = Page(page)
    assert page.startswith("<!DOCTYPE html>\n")
    assert read.all("html") == [{"lang": "en"}]
    assert [one["id"] for one in read.all("section")] == SECTIONS
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {one["aria-labelledby"] for one in read.all("section")} <= set(ids)
    assert "Wheat heads found by wheat.onnx on mine" in read.text


def test_the_page_asks_for_nothing_outside_and_runs_nothing(page: str) -> None:
    read = Page(page)
    addresses = [attributes[name] for _, attributes in read.elements for name in ("href", "src") if name in attributes]
    assert addresses
    assert all(address is not None and address.startswith("data:image/jpeg;base64,") for address in addresses)
    assert not re.search(r"https?:|//|@import|url\(|javascript:", re.sub(r"base64,[A-Za-z0-9+/=]+", "", page))
    assert not {"script", "link", "iframe", "object"} & {name for name, _ in read.elements}
    assert not [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in read.all("meta")


def test_every_drawing_is_named_or_hidden_and_every_column_has_a_header(page: str) -> None:
    read = Page(page)
    assert all(one.get("role") == "img" or one.get("aria-hidden") == "true" for one in read.all("svg"))
    named = len([one for one in read.all("svg") if one.get("role") == "img"])
    assert len(re.findall(r'role="img"[^>]*><title>[^<]+</title>', page)) == named == 3 + 12
    assert {one.get("scope") for one in read.all("th")} == {"col", "row"}
    assert len(read.all("caption")) == len(read.all("table")) == 8


def test_the_headline_is_the_score_with_its_interval(painted_labels: Labels) -> None:
    found = found_on(painted_labels)
    evaluation = evaluate(found, painted_labels, 0.5, average_precision=False)
    text = Page(written(painted_labels, found)).text
    low, high = evaluation.interval
    assert f"{evaluation.overall.score:.3f} score, rule kaggle95 % interval {low:.3f} to {high:.3f}" in text
    assert "12 photos with 22 heads" in text
    plain = text.replace("\N{NO-BREAK SPACE}", " ")
    assert "of the heads are found (recall)50.0 %of the boxes are heads (precision)47.8 %" in plain


def test_the_worst_photos_are_pictures_with_their_boxes(page: str, painted_labels: Labels) -> None:
    read = Page(page)
    images = read.all("image")
    assert len(images) == 12
    address = images[0]["href"] or ""
    with Pillow.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (96, 64)
    kinds = [one["class"] for one in read.all("path") if one.get("class") in ("hit", "missed", "false")]
    assert [kinds.count(kind) for kind in ("hit", "missed", "false")] == [11 + 1, 11 + 1, 12 + 1]  # one in the legend
    bare = painted_labels[-1].id
    assert f"1. {bare} · south · score 0.000" in read.text
    assert "0 heads labelled, 1 found: 0 hit, 0 missed, 1 false" in read.text


def test_pictures_are_reduced_so_that_the_page_stays_small(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)  # hard to compress
    Pillow.fromarray(noise).save(tmp_path / "noise.jpg", quality=80)
    head = np.array([[100, 100, 200, 200]], dtype=np.float32)
    labels = tuple(LabelledImage(str(n), tmp_path / "noise.jpg", 1024, 1024, head) for n in range(25))
    page = written(labels, [no_detections()] * 25)
    assert len(Page(page).all("image")) == 20
    assert len(page) < MOST_BYTES


def test_names_are_text_whatever_is_in_them(painted_labels: Labels) -> None:
    first, *rest = painted_labels
    evil = LabelledImage(EVIL, first.path, first.width, first.height, first.boxes, EVIL)
    labels = (evil, *rest)
    read = Page(written(labels, found_on(labels)))
    assert "script" not in {name for name, _ in read.elements}
    assert f". {EVIL} · {EVIL} · score" in read.text


def test_photos_that_cannot_be_read_are_told_of_and_change_no_score(painted_labels: Labels) -> None:
    before = Page(written(painted_labels, found_on(painted_labels)))
    painted_labels[0].path.unlink()
    painted_labels[1].path.write_bytes(b"no photo")
    some = Page(written(painted_labels, found_on(painted_labels)))
    assert "2 of 12 photos could not be read" in some.text
    assert some.text.count("This photo could not be read.") == 2
    assert (
        some.text[: some.text.index("Where the errors are")] == before.text[: before.text.index("Where the errors are")]
    )
    for image in painted_labels:
        image.path.unlink(missing_ok=True)
    none = Page(written(painted_labels, found_on(painted_labels)))
    assert "12 of 12 photos could not be read" in none.text
    assert "nothing can be said about blur" in none.text
    assert none.all("image") == []


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
@pytest.mark.parametrize("threshold", [0.0, 0.8, 1.0])
def test_a_page_can_be_written_by_every_rule_at_every_threshold(
    rule: Rule, threshold: float, painted_labels: Labels
) -> None:
    page = written(painted_labels, found_on(painted_labels), threshold, rule)
    assert [one["id"] for one in Page(page).all("section")] == SECTIONS
    assert "nan" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)


def test_a_perfect_result_has_no_worst_photos(painted_labels: Labels) -> None:
    perfect = [Detections(image.boxes, np.ones(image.heads, dtype=np.float32)) for image in painted_labels]
    assert "No photo scores below 1" in Page(written(painted_labels, perfect)).text


def test_a_bare_photo_on_which_nothing_is_found_is_a_page_without_numbers() -> None:
    bare = (LabelledImage("bare", Path("gone"), 9, 9, no_boxes()),)
    text = Page(written(bare, [no_detections()], 0.5, RSNA)).text
    assert "1 photo with 0 heads" in text
    assert "nan" not in text


def test_the_same_input_gives_the_same_page(painted_labels: Labels) -> None:
    found = found_on(painted_labels)
    assert written(painted_labels, found) == written(painted_labels, found)

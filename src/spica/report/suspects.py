"""The page of suspects: labels to look at, each on a part of its photo, and the photos most worth labelling."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spica.detections import Detections
from spica.drawing import HIT, MISS
from spica.labels.problems import Place
from spica.report.crops import Crop, WholePhoto, crops, whole_photos
from spica.report.gallery import drawing, frames, key
from spica.report.markup import Markup, element, joined
from spica.report.page import document
from spica.report.sections import section
from spica.scoring.suspects import KINDS, MEANINGS, Suspect
from spica.scoring.worth import Worth

_LABEL, _FOUND = MISS, HIT  # yellow and dashed, blue and solid: as missed heads and hits are drawn in a report
_PHOTOS = 12  # worth labelling, with a picture

SUSPECT_COLUMNS = ("image", "source", "kind", "left", "top", "right", "bottom", "evidence", "labels")
WORTH_COLUMNS = ("image", "source", "doubt", "low", "heads", "high")


@dataclass(frozen=True, slots=True, eq=False)
class Suspicions:
    """What there is to look at: suspects, strongest first; and photos, most worth labelling first.

    `places` says where the labels of a labelled photo stand, and `found` what was found on it, by its id. `paths` and
    `seen` are the files of the photos that may be worth labelling and what was found on them, by theirs. A box is sure
    from `threshold` on. `subject` says in words what was compared with what.
    """

    suspects: Sequence[Suspect]
    worths: Sequence[Worth]
    places: Mapping[str, Sequence[Place]]
    found: Mapping[str, Detections]
    paths: Mapping[str, Path]
    seen: Mapping[str, Detections]
    threshold: float
    subject: str


def suspects_page(said: Suspicions, first: int) -> str:
    """Return the page as HTML, with pictures of the `first` suspects and of the photos most worth labelling."""
    shown = crops(said.suspects[:first], said.found, said.threshold)
    photos = whole_photos(said.worths[:_PHOTOS], said.paths, said.seen, said.threshold)
    main = element("main", _suspects(said, shown), _photos(photos))
    return document(f"Suspects: {said.subject}", _header(said), main, "docs/data.md")


def suspect_rows(said: Suspicions) -> Iterator[tuple[str, ...]]:
    """Yield the rows of suspects.csv, the first with the names of its columns."""
    yield SUSPECT_COLUMNS
    for suspect in said.suspects:
        edges = (f"{edge:.2f}" for edge in suspect.box)
        where = " and ".join(_where(suspect, said.places))
        yield (suspect.image.id, suspect.image.source, suspect.kind, *edges, f"{suspect.evidence:.4f}", where)


def worth_rows(said: Suspicions) -> Iterator[tuple[str, ...]]:
    """Yield the rows of worth.csv, the first with the names of its columns."""
    yield WORTH_COLUMNS
    for one in said.worths:
        yield (one.image, one.source, f"{one.doubt:.4f}", str(one.low), str(one.heads), str(one.high))


def _where(suspect: Suspect, places: Mapping[str, Sequence[Place]], *, short: bool = False) -> list[str]:
    """Return where the labels of a suspect stand; if `short`, without the folder of the file."""
    there = [places[suspect.image.id][row] for row in suspect.rows]
    return [str(replace(place, file=Path(place.file.name)) if short else place) for place in there]


def _header(said: Suspicions) -> Markup:
    counts = Counter(suspect.kind for suspect in said.suspects)
    tiles = [
        element(
            "div", element("dt", element("strong", kind), f": {MEANINGS[kind]}"), element("dd", f"{counts[kind]:,}")
        )
        for kind in KINDS
    ]
    return element(
        "header",
        element("h1", "Labels to look at"),
        element("p", said.subject, class_="subject"),
        element("dl", *tiles),
    )


def _suspects(said: Suspicions, shown: Sequence[Crop]) -> Markup:
    if not shown:
        return section("suspects", "Suspects", element("p", "Labels and detector agree everywhere."))
    text = (
        f"The {len(shown):,} strongest of {len(said.suspects):,} places at which labels and detector disagree, the "
        "strongest first; suspects.csv lists them all. The evidence, from 0 to 1, orders them; it is no chance. Either "
        "may be wrong: look, and mend the label only where you see that it is. A detector that was trained on these "
        "labels has learnt to agree with them, faults included, so that no suspect does not mean no fault."
    )
    legend = [
        (key("missed", _LABEL), "label: dashed, yellow"),
        (key("hit", _FOUND), "found: solid, blue"),
        (key("context", _LABEL), "thin: labels and boxes around"),
    ]
    keys = element("ul", *(element("li", sign, joined(" ", name)) for sign, name in legend), class_="legend")
    figures = [_crop(place, one, said.places) for place, one in enumerate(shown, 1)]
    return section("suspects", "Suspects", element("p", text), keys, element("div", *figures, class_="gallery crops"))


def _crop(place: int, one: Crop, places: Mapping[str, Sequence[Place]]) -> Markup:
    suspect = one.suspect
    caption = element(
        "figcaption",
        element("strong", f"{place}. {suspect.kind}"),
        f" · {suspect.evidence:.2f}",
        element("br"),
        f"{suspect.image.id} · {suspect.image.source}",
        *(joined(element("br"), line) for line in _where(suspect, places, short=True)),
    )
    return element("figure", _picture(one), caption)


def _picture(one: Crop) -> Markup:
    layers = [
        *frames(one.other_labels, "context", _LABEL),
        *frames(one.other_found, "context", _FOUND),
        *frames(one.found, "hit", _FOUND),
        *frames(one.labels, "missed", _LABEL),
    ]
    return drawing(one.address, (one.side, one.side), layers, f"{one.suspect.kind} on {one.suspect.image.id}")


def _photos(photos: Sequence[WholePhoto]) -> Markup:
    text = (
        "The photos on which the detector is most in doubt, a fifth less for each one of the same source before it. "
        "Doubtful boxes are those between half the threshold and half way from it to 1. Label these first; "
        "worth.csv lists all."
    )
    legend = [(key("hit", _FOUND), "sure"), (key("missed", MISS), "doubtful: dashed")]
    keys = element("ul", *(element("li", sign, joined(" ", name)) for sign, name in legend), class_="legend")
    figures = element("div", *(_whole(place, one) for place, one in enumerate(photos, 1)), class_="gallery")
    return section("worth", "Photos most worth labelling", element("p", text), keys, figures)


def _whole(place: int, one: WholePhoto) -> Markup:
    worth: Worth = one.worth
    caption = element(
        "figcaption",
        element("strong", f"{place}. {worth.image}"),
        f" · {worth.source}",
        element("br"),
        f"{worth.low} boxes, {worth.low - worth.high} of them doubtful; doubt {worth.doubt:.2f}",
    )
    layers = [*frames(one.sure, "hit", _FOUND), *frames(one.doubtful, "missed", MISS)]
    return element("figure", drawing(one.address, (one.width, one.height), layers, f"Photo {worth.image}"), caption)

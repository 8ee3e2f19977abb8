"""The worst photos on the page, with hits, missed heads and false boxes drawn over them."""

from collections.abc import Sequence

from spica.boxes import Boxes
from spica.drawing import FALSE, HIT, MISS, Colour
from spica.report.markup import Markup, element, joined
from spica.report.photos import Picture
from spica.report.sections import section
from spica.report.tables import score


def worst(pictures: Sequence[Picture]) -> Markup:
    """Return the section of the worst photos: lowest score first."""
    if not pictures:
        return section("worst", "The worst photos", element("p", "No photo scores below 1: there is nothing to show."))
    text = (
        "The photos with the lowest scores, the lowest first. Hits overlap a labelled head by an IoU above 0.5. Look "
        "whether the detector is wrong, or the label."
    )
    legend = [("hit", HIT), ("missed", MISS), ("false", FALSE)]
    names = {"hit": "hit: solid", "missed": "missed head: dashed", "false": "false box: crossed"}
    keys = [element("li", key(kind, colour), joined(" ", names[kind])) for kind, colour in legend]
    figures = [_figure(place, one) for place, one in enumerate(pictures, 1)]
    content = element("ul", *keys, class_="legend"), element("div", *figures, class_="gallery")
    return section("worst", "The worst photos", element("p", text), *content)


def _figure(place: int, one: Picture) -> Markup:
    image = one.worst
    found = f"{len(one.hits)} hit, {len(one.missed)} missed, {len(one.false)} false"
    caption = element(
        "figcaption",
        element("strong", f"{place}. {image.id}"),
        f" · {image.source} · score {score(image.score)}",
        element("br"),
        f"{image.heads} heads labelled, {image.found} found: {found}",
    )
    layers = [
        *frames(one.missed, "missed", MISS),
        *frames(one.hits, "hit", HIT),
        *frames(one.false, "false", FALSE),
    ]
    drawn = drawing(one.address, (one.width, one.height), layers, f"Photo {image.id}: {found}")
    return element("figure", drawn, caption)


def drawing(address: str, size: tuple[int, int], layers: Sequence[Markup], title: str) -> Markup:
    """Return a photo of that (width, height) with boxes as SVG, whose lines stay sharp however large it is shown.

    Without an address it says that the photo could not be read.
    """
    if not address:
        return element("p", "This photo could not be read.", class_="unread")
    width, height = size
    photo = element("image", href=address, width=width, height=height)
    view = f"0 0 {width} {height}"
    return element("svg", element("title", title), photo, *layers, viewBox=view, role="img", class_="photo")


def frames(boxes: Boxes, kind: str, colour: Colour) -> list[Markup]:
    """Return the frames of boxes twice: dark and wide below, coloured above, so that they show on any ground.

    `kind` is the class of the style: hit, missed, false (with a cross) or context.
    """
    if not len(boxes):
        return []
    path = "".join(_outline(*edges, crossed=kind == "false") for edges in boxes.round(1).tolist())
    casing = "casing context" if kind == "context" else "casing"
    return [element("path", d=path, class_=casing), element("path", d=path, stroke=_hex(colour), class_=kind)]


def _outline(left: float, top: float, right: float, bottom: float, *, crossed: bool) -> str:
    frame = f"M{left:.6g} {top:.6g}H{right:.6g}V{bottom:.6g}H{left:.6g}z"
    cross = f"L{right:.6g} {bottom:.6g}M{right:.6g} {top:.6g}L{left:.6g} {bottom:.6g}"
    return frame + cross if crossed else frame


def key(kind: str, colour: Colour) -> Markup:
    """Return a sample of a frame, for a legend."""
    path = _outline(3, 3, 23, 17, crossed=kind == "false")
    layers = element("path", d=path, class_="casing"), element("path", d=path, stroke=_hex(colour), class_=kind)
    return element("svg", *layers, viewBox="0 0 26 20", class_="key box", aria_hidden="true")


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)

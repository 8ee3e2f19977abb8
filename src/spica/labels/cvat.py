"""CVAT: "CVAT for images 1.1", one XML file with the boxes of a task or project; and the photos in images/."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, SubElement, fromstring, indent, tostring

from spica.errors import AnnotationError
from spica.images import write_atomically
from spica.labels.annotations import (
    UNKNOWN_SOURCE,
    AnnotatedImage,
    Annotations,
    BoxRow,
    number,
    whole_number,
)
from spica.labels.found import FoundHeads, Scores
from spica.labels.imagetable import Origin, write_origins
from spica.labels.labelled import HEAD, LabelledImage, Labels
from spica.labels.photofiles import image_id, put_photos
from spica.labels.problems import Place, error, warning
from spica.labels.reading import Reading, begun_with_origins
from spica.labels.table import read_text, undecodable

FILE = "annotations.xml"
PHOTOS = "images"
SPECIFICATION = "labels.json"  # what CVAT's field "Raw" takes when a task is made

_VERSION = "1.1"
_SIGN = b"<annotations"
_EDGES = ("xtl", "ytl", "xbr", "ybr")
_TAG = "tag"  # says something of the whole photo
_SCORE = "score"  # the attribute that holds the score of a box that was found
_LEFT_OUT = "it is left out"


def files(data: Path) -> tuple[Path, ...]:
    """Return the XML files in a folder, or the file `data`, that hold annotations of CVAT."""
    candidates = sorted(data.glob("*.xml")) if data.is_dir() else [data]
    return tuple(file for file in candidates if file.is_file() and _holds_annotations(file))


def read(data: Path, photos: Path | None = None) -> Annotations:
    """Return the annotations of every XML file of CVAT in a folder, or of one file.

    A photo that is listed without a box counts as one without heads, for CVAT does not say which photos were looked at:
    a warning tells how many. A photo lies in `photos` (else in images/, else beside the file). Source and session come
    from images.csv, if it is there.

    Raises:
        AnnotationError: if there is no such file, or one cannot be read, is no XML, or is "CVAT for video".
    """
    found = files(data)
    if not found:
        raise AnnotationError(f"{data}: no XML file holds annotations of CVAT; expected {FILE}")
    roots = {file: _root(file) for file in found}
    names = (_name(image) for root in roots.values() for image in root.iter("image"))
    reading = begun_with_origins(data, PHOTOS, photos, names)
    for file, root in roots.items():
        _read_file(reading, file, root)
    reading.report_unlisted("no task lists the photo, so it is not used", "add it to a task in CVAT, and label it")
    return reading.annotations()


def write(labels: Labels, folder: Path) -> None:
    """Write annotations.xml, the photos into images/, labels.json with CVAT's labels, and images.csv with the sources.

    Raises:
        AnnotationError: if an id cannot be a file name, or two images have the same.
    """
    names = put_photos(labels, folder / PHOTOS)
    _write(_document(labels, names, [None] * len(labels)), folder)
    write_origins(labels, folder)


def write_found(found: FoundHeads, folder: Path) -> None:
    """Write what was found as boxes to be corrected, each with its score as an attribute; else as `write`.

    Raises:
        AnnotationError: if an id cannot be a file name, or two images have the same.
    """
    names = put_photos(found.images, folder / PHOTOS)
    _write(_document(found.images, names, list(found.scores)), folder)
    write_origins(found.images, folder)


def _holds_annotations(file: Path) -> bool:
    try:
        return _SIGN in file.read_bytes()
    except OSError as broken:
        raise AnnotationError(f"{file}: cannot be read ({broken.strerror}); check the rights") from broken


def _root(file: Path) -> Element:
    """Return the root of a file of CVAT.

    Raises:
        AnnotationError: if it cannot be read, is no XML, declares a document type, or is of another form of CVAT.
    """
    text = read_text(file)
    if "<!DOCTYPE" in text:  # CVAT writes none; entities, which it could declare, may fill the memory or name files
        raise AnnotationError(f"{file}: declares a document type, which CVAT does not; export it again")
    if undecodable(text):
        raise AnnotationError(f"{file}: is not UTF-8; export it again")
    try:
        root = fromstring(text)  # noqa: S314 - without a document type there are no entities to do harm
    except (ParseError, ValueError) as broken:
        raise AnnotationError(f"{file}: is not XML ({broken}); mend it or export it again") from broken
    version = root.findtext("version", "none")
    if root.tag != "annotations" or version != _VERSION:
        raise AnnotationError(f"{file}: expected version {_VERSION} of CVAT's XML, got {version}; export it again")
    if root.find("track") is not None:
        raise AnnotationError(f'{file}: is "CVAT for video", expected "CVAT for images"; export it again in that form')
    return root


def _read_file(reading: Reading, file: Path, root: Element) -> None:
    """Add what a file says."""
    empty = 0
    for position, image in enumerate(root.iter("image"), start=1):
        empty += _read_image(reading, Place(file, position, "image"), image) == 0
    if empty:
        text = f"{empty} photo(s) without a box count as photos without heads"
        reading.problems.append(warning("no boxes", Place(file), "", text, "take out those that nobody looked at yet"))


def _read_image(reading: Reading, place: Place, image: Element) -> int:
    """Add an image and its boxes, or what is wrong with them; return the number of shapes on it."""
    stated = image.get("name", "")
    if not stated:
        reading.problems.append(error("no image", place, "", "the image has no name", f"name it; {_LEFT_OUT}"))
        return -1
    name = _id(reading, image)
    if name in reading.images:
        text = f"the photo stands in {reading.images[name].place}, too"
        reading.problems.append(error("listed twice", place, name, text, "delete one; this one is left out"))
        return -1
    origin = reading.origins.get(name, Origin(UNKNOWN_SOURCE, "", place))
    size = _size(image.get("width")), _size(image.get("height"))
    path = reading.photos.path(name)
    reading.images[name] = AnnotatedImage(name, path, place, *size, origin.source, origin.session)
    shapes = [shape for shape in image if shape.tag != _TAG]
    for position, shape in enumerate(shapes, start=1):
        _read_shape(reading, name, replace(place, box=position), shape)
    return len(shapes)


def _name(image: Element) -> str:
    """Return the name of a photo, in the export of a project in the folder of its subset."""
    return "/".join(part for part in (image.get("subset"), image.get("name")) if part)


def _id(reading: Reading, image: Element) -> str:
    """Return the id of a photo; where its folder leads to none, that of the photo whose path is the name without it."""
    name, plain = reading.ids[_name(image)], image_id(image.get("name", ""))
    return plain if name not in reading.photos.by_id and plain in reading.photos.by_id else name


def _size(text: str | None) -> int | None:
    """Return a width or height; None where the file does not tell it, for the photo itself does."""
    try:
        return whole_number(text or "")
    except ValueError:
        return None


def _read_shape(reading: Reading, name: str, place: Place, shape: Element) -> None:
    """Add a box, or what is wrong with it."""
    if shape.tag != "box":
        text, remedy = f"a shape of type {shape.tag}, expected a box", f"draw a rectangle instead; {_LEFT_OUT}"
        reading.problems.append(error("shape", place, name, text, remedy))
        return
    try:
        left, top, right, bottom = (number(shape.attrib[key]) for key in _EDGES)
        turned = number(shape.get("rotation", "0")) % 360
    except (KeyError, ValueError):
        text = f"expected the numbers {', '.join(_EDGES)}, got {dict(shape.attrib)}"
        reading.problems.append(error("box", place, name, text, f"mend or delete it; {_LEFT_OUT}"))
        return
    if turned:
        text, remedy = f"the box is turned by {turned:g} degrees, expected 0", "turn it back and fit it to the head"
        reading.problems.append(error("rotated", place, name, text, f"{remedy}; {_LEFT_OUT}"))
        return
    reading.rows.append(BoxRow(name, (left, top, right, bottom), place, label=shape.get("label", "")))


def _document(labels: Labels, names: tuple[str, ...], scores: list[Scores | None]) -> Element:
    root = Element("annotations")
    SubElement(root, "version").text = _VERSION
    label = SubElement(SubElement(SubElement(SubElement(root, "meta"), "task"), "labels"), "label")
    SubElement(label, "name").text = HEAD
    for position, (image, name, found) in enumerate(zip(labels, names, scores, strict=True)):
        size = {"width": str(image.width), "height": str(image.height)}
        _add_boxes(SubElement(root, "image", {"id": str(position), "name": name, **size}), image, found)
    return root


def _add_boxes(parent: Element, image: LabelledImage, scores: Scores | None) -> None:
    """Add the boxes of an image; the shortest decimals that give the same float32."""
    source = "manual" if scores is None else "auto"
    for row, box in enumerate(image.boxes):
        edges = {key: str(edge) for key, edge in zip(_EDGES, box, strict=True)}
        shape = SubElement(parent, "box", {"label": HEAD, "source": source, "occluded": "0", **edges, "z_order": "0"})
        if scores is not None:
            SubElement(shape, "attribute", {"name": _SCORE}).text = f"{scores[row]:.5f}"


def _write(document: Element, folder: Path) -> None:
    indent(document)
    write_atomically(folder / FILE, tostring(document, "utf-8", xml_declaration=True) + b"\n")
    score = {"name": _SCORE, "input_type": "text", "mutable": False, "values": [""], "default_value": ""}
    specification = [{"name": HEAD, "type": "rectangle", "attributes": [score]}]
    write_atomically(folder / SPECIFICATION, json.dumps(specification, indent=1).encode("utf-8"))

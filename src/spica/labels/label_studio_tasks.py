"""Tasks for Label Studio: photos with labels as annotations, or with what was found as predictions."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from spica.images import write_atomically
from spica.labels.found import FoundHeads
from spica.labels.label_studio import FILE, PHOTOS
from spica.labels.label_studio_export import IMAGE, SESSION, SOURCE
from spica.labels.labelled import HEAD, LabelledImage, Labels
from spica.labels.photofiles import put_photos

CONFIG = "labelling.xml"
_LOCAL_FILES = "/data/local-files/?d="  # how Label Studio serves files of its document root
_CONFIG_TEXT = f"""<View>
  <Image name="image" value="$image" zoom="true" zoomControl="true" rotateControl="false"/>
  <RectangleLabels name="label" toName="image" canRotate="false">
    <Label value="{HEAD}" background="#56B4E9"/>
  </RectangleLabels>
</View>
"""


def write(labels: Labels, folder: Path) -> None:
    """Write tasks.json with an annotation for each photo, labelling.xml, and the photos into images/.

    Photos are named as local files below `folder`; source and session stand in the data of a task.

    Raises:
        AnnotationError: if an id cannot be a file name, or two images have the same.
    """
    names = put_photos(labels, folder / PHOTOS)
    tasks = [
        {"data": _data(name, image), "annotations": [{"result": _regions(image)}]}
        for name, image in zip(names, labels, strict=True)
    ]
    _write(tasks, folder)


def write_found(found: FoundHeads, folder: Path) -> None:
    """Write tasks.json with a prediction for each photo, to be looked at and corrected; else as `write`.

    Raises:
        AnnotationError: if an id cannot be a file name, or two images have the same.
    """
    names = put_photos(found.images, folder / PHOTOS)
    tasks = []
    for name, image, scores in zip(names, found.images, found.scores, strict=True):
        rounded = [round(score, 5) for score in scores.astype(float).tolist()]
        regions = [{**region, "score": score} for region, score in zip(_regions(image), rounded, strict=True)]
        mean = round(sum(rounded) / len(rounded), 5) if rounded else 0.0
        prediction = {"model_version": found.model, "score": mean, "result": regions}
        tasks.append({"data": _data(name, image), "predictions": [prediction]})
    _write(tasks, folder)


def _write(tasks: list[dict[str, Any]], folder: Path) -> None:
    write_atomically(folder / FILE, json.dumps(tasks, indent=1, ensure_ascii=False).encode("utf-8"))
    write_atomically(folder / CONFIG, _CONFIG_TEXT.encode("utf-8"))


def _data(name: str, image: LabelledImage) -> dict[str, str]:
    return {IMAGE: f"{_LOCAL_FILES}{quote(f'{PHOTOS}/{name}')}", SOURCE: image.source, SESSION: image.session}


def _regions(image: LabelledImage) -> list[dict[str, Any]]:
    """Return a region for each box; percent in float64, from which the float32 edges come back."""
    width, height = image.width, image.height
    return [
        {
            "id": f"head{number}",
            "type": "rectanglelabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {
                "x": 100 * left / width,
                "y": 100 * top / height,
                "width": 100 * (right - left) / width,
                "height": 100 * (bottom - top) / height,
                "rotation": 0,
                "rectanglelabels": [HEAD],
            },
        }
        for number, (left, top, right, bottom) in enumerate(image.boxes.astype(float).tolist(), start=1)
    ]

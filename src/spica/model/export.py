"""Export: a trained detector as one ONNX file that takes a photo and gives boxes, with its card inside."""

import io
import json
import math
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import spox
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from spica.detections import Detections
from spica.errors import WeightsError
from spica.image import Image
from spica.images import write_atomically
from spica.labels.fields import render_field
from spica.model import graph
from spica.model.checkpoint import NetworkDetect, load_weights
from spica.model.detector import Detector
from spica.model.heads import BOX_WEIGHTS
from spica.model.maps import PROBE_HEIGHT, PROBE_WIDTH
from spica.model.photos import PADDING_MULTIPLE
from spica.prediction.card import Card
from spica.prediction.modelfile import BOXES, CAPPED, METADATA_KEY, PHOTO, SCORES, SOUND, read_card
from spica.prediction.openvino_engine import OpenVinoEngine
from spica.prediction.runtime import ModelDetector

MOST_MULTIPLES = 256  # a photo may have 8,192 pixels on its longer side when the network looks at it
LEAST_HALVED = 64  # numbers; smaller tensors stay as they are, among them all that is not learnt
SAME_PIXELS, SAME_SCORE = 0.1, 1e-3  # how far boxes and scores may be apart in torch and in the file
_HALF = ".half"  # what the name of numbers in half precision ends with
TRIALS = 3  # fields
LEAST_FIELD = 64  # pixels; smaller ones cannot be rendered
SAME_PART = 0.98  # of the boxes: an overlap right at the suppression's limit may go either way


def export(weights: Path, out: Path, *, half: bool = True) -> Card:
    """Write the detector of a run folder or weights file as a model file, and return the card in it.

    The file takes a photo, uint8 (height, width, 3), RGB, of any size, and gives `boxes` (n, 4) in its pixels,
    `scores` (n,), `capped` (whether there may be more boxes) and `sound` (finite if everything inside was). With `half`
    the weights in it have half precision, which halves the file; the arithmetic stays what the runtime makes of it.

    Before it takes its name, the file is compared with torch on some rendered fields.

    Raises:
        WeightsError: if the weights cannot be used, the network not be exported, or the file gives other boxes.
        OutputError: if the file cannot be written.
    """
    detector, card = load_weights(weights)
    if half:
        _round_to_half(detector)
    card = replace(card, side=detector.settings.side)
    model = build_model(detector, card)
    content = (_halved(model) if half else model).SerializeToString()
    with TemporaryDirectory() as folder:
        trial = Path(folder, out.name)
        trial.write_bytes(content)
        _require_same(
            detector, trial, [render_field(number, side=max(LEAST_FIELD, card.side))[0] for number in range(TRIALS)]
        )
    write_atomically(out, content)
    return card


def build_model(detector: Detector, card: Card) -> onnx.ModelProto:
    """Return the detector as an ONNX model in float32.

    Raises:
        WeightsError: if its backbone or its kind of pooling cannot be exported.
    """
    settings, levels = detector.settings, detector.neck.levels
    if settings.pooling.kind != "align":
        raise WeightsError(f"pooling.kind is {settings.pooling.kind!r}: only a detector with RoIAlign can be exported")
    count = len(levels)
    photo = spox.argument(spox.Tensor(np.uint8, ("height", "width", 3)))
    look = graph.look_at(photo, settings.side, detector.mean.numpy(), detector.std.numpy())
    outputs = list(spox.inline(_network(detector))(look.batch).values())
    maps, objectness, deltas = outputs[:count], outputs[count : 2 * count], outputs[2 * count :]
    proposals, found = graph.propose(
        list(zip(objectness, deltas, strict=True)), _anchors(detector), levels, look.size, settings.proposals
    )
    regions = graph.Regions(maps, levels, settings.pooling, look.size)
    boxes, scores, sound = graph.decide(regions, proposals, _box_heads(detector), settings.head)
    boxes, scores, capped = graph.cap(boxes, scores, settings.head.most_boxes)
    if settings.proposals.least_score:  # else there are always more proposals than are looked at
        capped = graph.either(capped, graph.reaches(found, settings.proposals.detect))
    sound = graph.total([sound, *objectness, *deltas])
    boxes = graph.scale(boxes, look.zoom)
    model = spox.build({PHOTO: photo}, {BOXES: boxes, SCORES: scores, CAPPED: capped, SOUND: sound})
    model.producer_name = "spica"
    helper.set_model_props(model, {METADATA_KEY: json.dumps(card.to_dict())})
    return model


class _Network(nn.Module):
    """The part of a detector that is all convolutions: a normalised batch in, maps, objectness and deltas out."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.body, self.neck, self.head = detector.body, detector.neck, detector.proposals.head
        self.narrow = detector.regions.narrow

    def forward(self, photos: Tensor) -> list[Tensor]:
        maps = self.neck(self.body(photos))
        objectness, deltas = self.head(maps)
        return [*(self.narrow(grid) for grid in maps), *objectness, *deltas]


def _network(detector: Detector) -> onnx.ModelProto:
    """Return the network for photos whose sides are multiples of 32.

    Raises:
        WeightsError: if torch cannot export it.
    """
    multiples = {
        axis: PADDING_MULTIPLE * torch.export.Dim(name, min=1, max=MOST_MULTIPLES)
        for axis, name in ((2, "rows"), (3, "columns"))
    }
    probe = torch.zeros(1, 3, PROBE_HEIGHT, PROBE_WIDTH)
    try:
        with torch.no_grad(), warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # of the exporter's own parts, about each other
            program: Any = torch.onnx.export(
                _Network(detector).eval(),
                (probe,),
                dynamo=True,
                opset_version=graph.OPSET,
                dynamic_shapes=(multiples,),
                verbose=False,
            )
    except Exception as error:  # torch.export raises what it likes
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"backbone {detector.settings.backbone.name} cannot be exported by this version of torch ({first})"
        ) from error
    model: onnx.ModelProto = program.model_proto
    return model


def _anchors(detector: Detector) -> list[graph.Floats]:
    generator = detector.proposals.anchor_generator
    generator.set_cell_anchors(torch.float32, torch.device("cpu"))
    return [cells.numpy() for cells in generator.cell_anchors]


def _box_heads(detector: Detector) -> list[graph.BoxHead]:
    """Return the weights of each stage."""
    return [
        graph.BoxHead(
            (_numbers(hidden.fc6), _numbers(hidden.fc7)),
            _numbers(last.cls_score),
            _numbers(last.bbox_pred),
            BOX_WEIGHTS,
        )
        for hidden, last in detector.regions.stages()
    ]


def _numbers(layer: nn.Linear) -> tuple[graph.Floats, graph.Floats]:
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


def _round_to_half(detector: Detector) -> None:
    """Round what is learnt to half precision, so that torch and a file of half the size say the same."""
    with torch.no_grad():
        for tensor in detector.parameters():
            if tensor.numel() >= LEAST_HALVED:
                tensor.copy_(tensor.half().float())


def _halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with its large float32 numbers stored in half precision and cast when it is loaded."""
    small = deepcopy(model)
    inside = small.graph
    # Numbers stand in the graph by name, or as the output of a node of their own.
    named = {one.name: one for one in inside.initializer if _is_large(one)}
    owned = {node.output[0]: value for node in inside.node if (value := _constant(node)) and _is_large(value)}
    halves = [_half(name, tensor) for name, tensor in (named | owned).items()]
    casts = [
        helper.make_node("Cast", [h.name], [h.name.removesuffix(_HALF)], to=onnx.TensorProto.FLOAT) for h in halves
    ]
    nodes = [*casts, *(node for node in inside.node if node.output[0] not in owned)]
    numbers = [*halves, *(one for one in inside.initializer if one.name not in named)]
    for field, content in ((inside.node, nodes), (inside.initializer, numbers)):
        kept = deepcopy(content)  # emptying the field would empty them
        del field[:]
        field.extend(kept)
    onnx.checker.check_model(small, full_check=True)
    return small


def _constant(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """Return the tensor that a node holds, if that is all it does."""
    values = [part.t for part in node.attribute if node.op_type == "Constant" and part.name == "value"]
    return values[0] if values else None


def _half(name: str, tensor: onnx.TensorProto) -> onnx.TensorProto:
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}{_HALF}")


def _is_large(tensor: onnx.TensorProto) -> bool:
    return tensor.data_type == onnx.TensorProto.FLOAT and math.prod(tensor.dims) >= LEAST_HALVED


def _require_same(detector: Detector, file: Path, photos: list[Image]) -> None:
    """Do nothing if a file gives the same boxes as torch.

    Raises:
        WeightsError: if it does not.
    """
    original = NetworkDetect(detector, Card(), torch.device("cpu"))
    exported = ModelDetector(OpenVinoEngine(file, precision="f32"), read_card(file), file.name)
    share = common_part([(original(photo), exported(photo)) for photo in photos])
    if share < SAME_PART:
        raise WeightsError(
            f"the model file gives other boxes than torch: only {share:.1%} are the same; "
            "give --no-half, or this backbone cannot be exported by this version of torch"
        )


def common_part(pairs: Sequence[tuple[Detections, Detections]]) -> float:
    """Return the part of the boxes on several photos that are the same in both of each pair.

    Of all photos together: where one has few boxes, a single overlap right at a limit would weigh too much.
    """
    weights = [max(len(first) + len(second), 1) for first, second in pairs]
    return float(np.average([same_part(first, second) for first, second in pairs], weights=weights))


def same_part(first: Detections, second: Detections) -> float:
    """Return the part of the boxes of each that the other one has, too, within `SAME_PIXELS` and `SAME_SCORE`."""
    if not len(first) and not len(second):
        return 1.0
    near = np.abs(first.boxes[:, None] - second.boxes[None]).max(axis=2) <= SAME_PIXELS
    near &= np.abs(first.scores[:, None] - second.scores[None]) <= SAME_SCORE
    both = np.concatenate([near.any(axis=1), near.any(axis=0)])
    return float(both.mean())

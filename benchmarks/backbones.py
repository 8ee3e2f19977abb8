"""At least one backbone of every family in a detector: forward, backward and detecting on a real photo, run.

Needs SPICA_GWHD. Prints a Markdown table; `python benchmarks/backbones.py NAME...` runs others, and
`python benchmarks/backbones.py pretrainedmodels` all architectures of that package, where it is installed.
"""

import os
import sys
import time
from importlib import import_module
from pathlib import Path

import torch

from spica.errors import SpicaError
from spica.images import read_image, resized
from spica.labels.folder import read_labels
from spica.labels.labelled import LabelledImage
from spica.model.backbones import build_body
from spica.model.checkpoint import NetworkDetect
from spica.model.detector import Detector
from spica.model.photos import padded, photo_tensor
from spica.model.settings import AnchorSettings, BackboneSettings, DetectorSettings, HeadSettings, NeckSettings
from spica.prediction.card import Card

SIDE = 256  # a multiple of 32 that even the largest networks can work on with two cores
FAMILIES = [
    "torchvision/mobilenet_v2",
    "torchvision/resnext50_32x4d",
    "torchvision/resnet18",
    "torchvision/alexnet",
    "torchvision/vgg11_bn",
    "torchvision/squeezenet1_1",
    "torchvision/densenet121",
    "torchvision/inception_v3",
    "torchvision/googlenet",
    "torchvision/mobilenet_v3_large",
    "torchvision/mnasnet1_0",
    "torchvision/regnet_y_400mf",
    "torchvision/shufflenet_v2_x1_0",
    "torchvision/efficientnet_b0",
    "torchvision/convnext_tiny",
    "torchvision/swin_t",
    "timm/resnet18",
    "timm/mobilenetv4_conv_small",
    "timm/efficientnet_lite0",
    "timm/convnext_atto",
    "timm/hrnet_w18_small",
    "timm/inception_v4",
    "timm/xception41",
    "timm/nasnetalarge",
    "timm/efficientvit_b0",
    "timm/swin_tiny_patch4_window7_224",
    "timm/vit_tiny_patch16_224",
]


def main(names: list[str]) -> None:
    """Print one row for each backbone."""
    folder = os.environ.get("SPICA_GWHD")
    if folder is None:
        sys.exit("SPICA_GWHD names no folder of real labelled photos")
    image = next(image for image in read_labels(Path(folder))[0] if image.heads > 20)
    if names == ["pretrainedmodels"]:
        names = [f"pretrainedmodels/{name}" for name in import_module("pretrainedmodels").model_names]
    print(
        "| backbone | neck | strides | first cells at | parameters, M | forward + backward, s | weights with gradient |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in names or FAMILIES:
        print(row(name, image), flush=True)


def row(name: str, image: LabelledImage) -> str:
    try:
        detector = Detector(settings(name)).train()
    except SpicaError as error:
        return f"| {name} | {error} |"
    small = photo_tensor(resized(read_image(image.path), SIDE))
    photos = padded(small, detector.mean)
    boxes = torch.from_numpy(image.boxes.copy()) * (SIDE / image.width)
    target = {"boxes": boxes, "labels": torch.ones(len(boxes), dtype=torch.int64)}
    started = time.perf_counter()
    losses = detector(torch.cat([photos, photos]), [(SIDE, SIDE)] * 2, [target, target])
    total = torch.stack(list(losses.values())).sum()
    total.backward()  # type: ignore[no-untyped-call]
    seconds = time.perf_counter() - started
    learning = [weight for weight in detector.body.parameters() if weight.requires_grad]
    reached = sum(weight.grad is not None and bool(torch.isfinite(weight.grad).all()) for weight in learning)
    NetworkDetect(detector, Card(), torch.device("cpu"))(read_image(image.path))
    if not bool(torch.isfinite(total)):
        return f"| {name} | losses are not finite |"
    levels = detector.neck.levels
    return (
        f"| {name} | {type(detector.neck).__name__} | {', '.join(str(level.stride) for level in levels)}"
        f" | {', '.join(f'{level.offset:g}' for level in levels)}"
        f" | {sum(weight.numel() for weight in detector.body.parameters()) / 1e6:.1f} | {seconds:.1f}"
        f" | {reached} of {len(learning)} |"
    )


def settings(name: str) -> DetectorSettings:
    """A pyramid on the strides 8 to 32 that there are; a single map becomes a simple pyramid."""
    backbone = BackboneSettings(name=name, weights="none", batch_norm="train")
    strides = tuple(level.stride for level in build_body(backbone, None).levels if 8 <= level.stride <= 32)
    if len(strides) == 1:
        strides = (8, 16, 32)
    sizes = {8: (16.0, 24.0), 16: (32.0, 48.0), 32: (64.0, 96.0)}
    return DetectorSettings(
        side=SIDE,
        backbone=backbone,
        neck=NeckSettings(strides=strides, channels=64),
        anchors=AnchorSettings(sizes=tuple(sizes[stride] for stride in strides)),
        head=HeadSettings(channels=64),
    )


if __name__ == "__main__":
    main(sys.argv[1:])

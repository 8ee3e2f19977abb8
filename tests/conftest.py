"""What several tests share: a tiny backbone of the user's own, small labelled photos, the real data."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from spica.labels.labelled import LabelledImage, Labels

TINY_BACKBONE = '''
import torch
from torch import nn


class Tiny(nn.Module):
    """Maps of stride 4 and 8, with batch normalisation."""

    def __init__(self):
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.BatchNorm2d(8), nn.ReLU())
        self.coarse = nn.Sequential(nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())

    def forward(self, photos):
        fine = self.fine(photos)
        return [fine, self.coarse(fine)]


def build():
    return Tiny()
'''


@pytest.fixture
def tiny_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of an importable callable that builds a network of two small maps; its folder is on PYTHONPATH."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "tiny_backbone.py").write_text(TINY_BACKBONE)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    sys.modules.pop("tiny_backbone", None)
    return "tiny_backbone:build"


@pytest.fixture(scope="module")
def lasting_backbone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """As `tiny_backbone`, for what a whole module shares."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "lasting_backbone.py").write_text(TINY_BACKBONE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        sys.modules.pop("lasting_backbone", None)
        yield "lasting_backbone:build"


@pytest.fixture
def painted_labels(tmp_path: Path) -> Labels:
    """Twelve photos of 96 x 64 pixels of two sources, with bright squares for heads; the last has none."""
    random = np.random.default_rng(3)
    folder = tmp_path / "painted"
    folder.mkdir()
    return tuple(_painted(folder, number, random) for number in range(12))


def _painted(folder: Path, number: int, random: np.random.Generator) -> LabelledImage:
    photo = random.integers(0, 60, (64, 96, 3), dtype=np.uint8)
    boxes = []
    for column in range(0 if number == 11 else 2):
        left, top = 10 + 44 * column + int(random.integers(12)), int(random.integers(4, 40))
        photo[top : top + 20, left : left + 20] = (230, 210, 120)
        boxes.append([left, top, left + 20, top + 20])
    path = folder / f"photo{number:02d}.png"
    Pillow.fromarray(photo).save(path)
    source = "north" if number < 8 else "south"
    return LabelledImage(path.stem, path, 96, 64, np.array(boxes, np.float32).reshape(-1, 4), source)


@pytest.fixture
def gwhd() -> Path:
    """Folder of the real labelled photos."""
    folder = os.environ.get("SPICA_GWHD")
    if not folder:
        pytest.skip("SPICA_GWHD names no folder of real labelled photos")
    return Path(folder)


@pytest.fixture
def mobilenet_weights() -> Path:
    """File of the ImageNet weights of MobileNetV2."""
    folder = os.environ.get("SPICA_BACKBONES")
    if not folder:
        pytest.skip("SPICA_BACKBONES names no folder of backbone weights")
    return Path(folder) / "mobilenet_v2_imagenet.safetensors"

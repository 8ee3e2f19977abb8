"""A recipe so small that it trains in seconds."""

from pathlib import Path

import pytest

from spica.labels.folder import write_labels
from spica.labels.labelled import Labels


@pytest.fixture
def painted_folder(painted_labels: Labels, tmp_path: Path) -> Path:
    """The painted photos in Kaggle's layout."""
    folder = tmp_path / "data"
    write_labels(painted_labels, folder, "kaggle")
    return folder


@pytest.fixture
def tiny_recipe(tiny_backbone: str, tmp_path: Path) -> Path:
    """Recipe of four steps of two samples, with an evaluation after each second one."""
    path = tmp_path / "tiny.toml"
    path.write_text(
        f"""
        [detector]
        side = 96
        backbone = {{ name = "{tiny_backbone}", weights = "none", batch_norm = "train" }}
        neck = {{ kind = "fpn", strides = [4, 8], channels = 8 }}
        anchors = {{ sizes = [[16], [24]], ratios = [1.0] }}
        proposals = {{ before_suppression = 50, train = 20, detect = 20 }}
        head = {{ channels = 16, samples = 16 }}
        [validation]
        sources = ["south"]
        fraction = 0.25
        [sample]
        side = 64
        mosaic = 0.5
        [schedule]
        epochs = 1.25
        batch = 2
        warmup_steps = 1
        [run]
        device = "cpu"
        threads = 1
        averaging = 0.5
        log_steps = 1
        evaluate_steps = 2
        checkpoint_minutes = 0
        """,
        encoding="utf-8",
    )
    return path

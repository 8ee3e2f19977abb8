"""Feature maps: recognised by their aspect, located by arithmetic."""

import pytest
import torch
from torch import Tensor, nn

from spica.errors import WeightsError
from spica.model.backbones import build_body
from spica.model.maps import layout, offsets, require_strides, stages
from spica.model.settings import BackboneSettings


def untrained(name: str) -> BackboneSettings:
    return BackboneSettings(name=name, weights="none", batch_norm="train")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 24, 64, 80), (4, 24, False)),
        ((1, 64, 80, 24), (4, 24, True)),
        ((1, 2048, 6, 8), (32, 2048, False)),  # Inception: valid padding loses cells
        ((1, 512, 1, 1), (None, 0, False)),
        ((1, 1000), (None, 0, False)),
    ],
)
def test_a_map_is_recognised_by_its_aspect(shape: tuple[int, ...], expected: tuple[int | None, int, bool]) -> None:
    assert layout(torch.zeros(shape)) == expected


@pytest.mark.parametrize(
    ("convolutions", "stride", "expected"),
    [
        ([nn.Conv2d(3, 4, 3, stride=2, padding=1)], 2, 0.0),
        ([nn.Conv2d(3, 4, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, 1)], 4, 0.0),
        ([nn.Conv2d(3, 4, 4, stride=4)], 4, 1.5),  # patches: pixels 0 to 3 are centred on 1.5
        ([nn.Conv2d(3, 4, 3, stride=2)], 2, 1.0),  # valid padding: pixels 0 to 2 are centred on 1
        ([nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 4, 3), nn.MaxPool2d(3, 2)], 4, 5.0),
    ],
)
def test_the_first_cell_lies_where_the_arithmetic_of_its_convolutions_says(
    convolutions: list[nn.Module], stride: int, expected: float
) -> None:
    network = nn.Sequential(*convolutions).eval()

    def run(photos: Tensor) -> list[Tensor]:
        return [network(photos)]

    assert offsets(run, [stride]) == [expected]


def test_inception_cells_lie_beyond_a_whole_stride() -> None:
    # By hand along Inception v3: 1, 3, 3, 5, 5, 9, ... of the receptive fields' centres at stride 32: 37
    (level,) = build_body(untrained("torchvision/inception_v3"), (32,)).levels
    assert (level.stride, level.offset) == (32, 37.0)


def test_a_network_without_the_stride_is_an_error_that_lists_what_it_has() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1))
    ran = stages(network, network)
    available = {stage.stride: stage for stage in ran if stage.stride is not None}
    with pytest.raises(WeightsError, match=r"no map of stride 32; it has 2: set neck\.strides"):
        require_strides(available, (2, 32), "small")

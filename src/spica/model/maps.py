"""Feature maps: which modules of a network give them, and where their cells lie on the photo."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spica.errors import WeightsError

PROBE_HEIGHT, PROBE_WIDTH = 256, 320  # not square, so that the layout of a map can be told; both multiples of 64
# Inception v3 gives 8 cells of stride 32 from 299 pixels, so 43 are lost; no known stem loses more.
LOST_PIXELS = 48
NOT_FEATURES = ("classifier", "fc", "head", "aux", "last_linear")  # a classifier may end in a map of its own


@dataclass(frozen=True, slots=True)
class Level:
    """One feature map: cell (i, j) is centred on pixel (offset + j * stride, offset + i * stride)."""

    stride: int
    channels: int
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A module that ran, by name, with the map that it gave (if it gave one)."""

    name: str
    stride: int | None
    channels: int
    channels_last: bool


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Run a block with the module in evaluation mode and without gradients; restore every submodule's mode."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes:
            part.training = mode


def stages(network: nn.Module, run: Callable[[Tensor], object]) -> list[Stage]:
    """Return the top modules of a network in the order in which `run` calls them.

    A top module is a child, or a child of a container that has children alone in a row (`features`, `stages`,
    `blocks`). The map that each gives is recognised by its aspect.
    """
    found: list[Stage] = []
    hooks = [module.register_forward_hook(_recorder(name, found)) for name, module in _top_modules(network)]
    try:
        with evaluating(network):
            run(torch.zeros(1, 3, PROBE_HEIGHT, PROBE_WIDTH))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def last_maps(ran: list[Stage]) -> dict[int, Stage]:
    """Return for each stride the last stage that gave a map of it, fine to coarse, as far as the strides grow."""
    last: dict[int, Stage] = {}
    for stage in ran:
        if stage.stride is not None and stage.stride >= max(last, default=0):
            last[stage.stride] = stage
    return last


def offsets(run: Callable[[Tensor], list[Tensor]], strides: list[int], *, patches: bool = False) -> list[float]:
    """Return the pixel on which the first cell of each map is centred.

    At the smallest input that gives g cells every convolution fits without remainder, so the cells lie symmetrically:
    the first one is centred at (size - (g - 1) * stride - 1) / 2. This is 0 for padded convolutions, about half a
    stride for networks that cut the photo into patches, and more than a stride for stems with valid padding.
    Of networks that take only multiples of their stride this cannot be measured: `patches` says which case they are.
    """
    cells: dict[int, list[int]] = {}

    def count(size: int) -> list[int]:
        if size not in cells:
            cells[size] = [grid.shape[-1] for grid in run(torch.zeros(1, 3, size, size))]
        return cells[size]

    return [_offset(count, level, stride, patches=patches) for level, stride in enumerate(strides)]


def cuts_patches(network: nn.Module) -> bool:
    """Return whether the first convolution of a network cuts the photo into patches that do not overlap."""
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    return first is not None and first.kernel_size == first.stride and max(first.stride) > 1


def require_strides(available: dict[int, Stage], wanted: tuple[int, ...], name: str) -> list[Stage]:
    """Return the stages of the wanted strides.

    Raises:
        WeightsError: if the network has no map of one of them.
    """
    missing = [stride for stride in wanted if stride not in available]
    if missing:
        raise WeightsError(
            f"backbone {name} has no map of stride {missing[0]}; it has {', '.join(map(str, available))}:"
            f" set neck.strides to some of them"
        )
    return [available[stride] for stride in wanted]


def layout(output: object) -> tuple[int | None, int, bool]:
    """Return stride, channels and whether the channels come last, for a map of the probe; (None, 0, False) else."""
    if not isinstance(output, Tensor) or output.dim() != 4:
        return None, 0, False
    _, first, second, third = output.shape
    for rows, columns, channels, channels_last in ((second, third, first, False), (first, second, third, True)):
        across, down = _nearest_stride(PROBE_WIDTH, columns), _nearest_stride(PROBE_HEIGHT, rows)
        if across == down and across is not None and columns > rows:
            return across, channels, channels_last
    return None, 0, False


def _offset(count: Callable[[int], list[int]], level: int, stride: int, *, patches: bool) -> float:
    largest = 5 * max(stride, 32)  # large enough for every stem, small enough to be quick
    try:
        wanted = count(largest)[level]
        low, high = largest - stride, largest
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if count(middle)[level] >= wanted else (middle, high)
    except (RuntimeError, AssertionError, ValueError):  # what networks raise for sizes that they do not take
        return (stride - 1) / 2 if patches else 0.0
    return max(0.0, (high - (wanted - 1) * stride - 1) / 2)


def _top_modules(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in network.named_children():
        if name.lower().startswith(NOT_FEATURES):
            continue
        if isinstance(child, nn.Sequential | nn.ModuleList | nn.ModuleDict):
            yield from ((f"{name}.{inner}", module) for inner, module in child.named_children())
        else:
            yield name, child


def _recorder(name: str, found: list[Stage]) -> Callable[[nn.Module, object, object], None]:
    def record(_module: nn.Module, _inputs: object, output: object) -> None:
        stride, channels, channels_last = layout(output)
        found.append(Stage(name, stride, channels, channels_last))

    return record


def _nearest_stride(size: int, cells: int) -> int | None:
    """Return the power of two nearest to size / cells; valid padding loses at most `LOST_PIXELS` of the photo."""
    strides = [2**power for power in range(7)]
    fitting = [stride for stride in strides if (size - LOST_PIXELS) / stride - 1 <= cells <= size / stride + 1]
    return min(fitting, key=lambda stride: abs(size / stride - cells)) if fitting else None

"""A body: a backbone without its classifier, its maps, stages and the origin of its weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from torch import Tensor, nn

from spica.model.maps import Level, Stage, cuts_patches, evaluating, offsets
from spica.model.settings import Rgb

IMAGENET_MEAN: Rgb = (0.485, 0.456, 0.406)
IMAGENET_STD: Rgb = (0.229, 0.224, 0.225)

Run: TypeAlias = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where weights come from, and how their pixels were normalised."""

    weights: str
    licence: str
    mean: Rgb
    std: Rgb


class Body(nn.Module):
    """A backbone without its classifier: a batch of normalised photos in, one map for each level out.

    `stage_names` are its modules in the order in which they run, for transfer learning from one of them on. They are
    names inside the network, which stands at `inside` in the trunk.
    """

    def __init__(
        self, trunk: nn.Module, levels: Sequence[Level], stage_names: Sequence[str], origin: Origin, *, inside: str
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.network_name = f"trunk.{inside}"
        self.levels = tuple(levels)
        self.stage_names = tuple(stage_names)
        self.origin = origin

    def forward(self, photos: Tensor) -> list[Tensor]:
        """Return the maps, fine to coarse, each (batch, channels, rows, columns)."""
        return as_maps(self.trunk(photos))


def as_maps(output: object) -> list[Tensor]:
    """Return a network's output, one map or several, as a list."""
    if isinstance(output, Tensor):
        return [output]
    return list(output.values()) if isinstance(output, dict) else list(output)  # type: ignore[call-overload]


class ChannelsFirst(nn.Module):
    """Puts the channels of maps that come as (batch, rows, columns, channels) in second place."""

    def __init__(self, trunk: nn.Module, channels_last: Sequence[bool]) -> None:
        super().__init__()
        self.trunk = trunk
        self.channels_last = tuple(channels_last)

    def forward(self, photos: Tensor) -> list[Tensor]:
        """Return the maps, each (batch, channels, rows, columns)."""
        maps = as_maps(self.trunk(photos))
        return [grid.permute(0, 3, 1, 2) if last else grid for grid, last in zip(maps, self.channels_last, strict=True)]


class Tapped(nn.Module):
    """Runs a network that cannot be cut, and gives the outputs of some of its modules, or (None) its own.

    `bgr`: the network was trained with the channels in reverse order.
    """

    def __init__(self, network: nn.Module, run: Run, names: Sequence[str] | None, *, bgr: bool = False) -> None:
        super().__init__()
        self.network = network
        self._run = run.forward if isinstance(run, nn.Module) else run  # not registered: its weights are the network's
        self._bgr = bgr
        self._kept: dict[str, Tensor] = {}
        self._names = None if names is None else tuple(names)
        for name in names or ():
            # A partial of a method, not a closure: a deep copy (the averaged weights) then keeps its own maps.
            network.get_submodule(name).register_forward_hook(partial(self._keep, name))

    def _keep(self, name: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        self._kept[name] = output

    def forward(self, photos: Tensor) -> list[Tensor]:
        """Return the maps, fine to coarse."""
        output = self._run(photos.flip(1) if self._bgr else photos)
        if self._names is None:
            return [output]
        kept = [self._kept[name] for name in self._names]
        self._kept.clear()
        return kept


class Kept(nn.Module):
    """Gives some of the maps of a network."""

    def __init__(self, network: nn.Module, kept: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.kept = tuple(kept)

    def forward(self, photos: Tensor) -> list[Tensor]:
        """Return the maps that are kept."""
        maps = as_maps(self.network(photos))
        return [maps[index] for index in self.kept]


def located(trunk: nn.Module, chosen: Sequence[Stage], ran: Sequence[Stage], origin: Origin, *, inside: str) -> Body:
    """Return the body of a trunk whose maps are those of the `chosen` stages, with their places measured."""
    strides = [stage.stride or 0 for stage in chosen]
    with evaluating(trunk):
        places = offsets(lambda photos: as_maps(trunk(photos)), strides, patches=cuts_patches(trunk))
    levels = [Level(s, stage.channels, place) for s, stage, place in zip(strides, chosen, places, strict=True)]
    return Body(trunk, levels, list(dict.fromkeys(stage.name for stage in ran)), origin, inside=inside)

"""Which library a backbone comes from, by its name."""

from spica.errors import WeightsError
from spica.model.backbones.body import Body
from spica.model.backbones.own_models import callable_body
from spica.model.backbones.pretrainedmodels_models import pretrainedmodels_body
from spica.model.backbones.timm_models import timm_body
from spica.model.backbones.torchvision_models import torchvision_body
from spica.model.settings import BackboneSettings

_BUILDERS = {"torchvision": torchvision_body, "timm": timm_body, "pretrainedmodels": pretrainedmodels_body}


def build_body(settings: BackboneSettings, strides: tuple[int, ...] | None, *, pretrained: bool = True) -> Body:
    """Return the backbone that the settings name, with maps of the given strides (None: all that it has).

    A network with maps of one stride only (ViT-like) gives that one map, whatever strides are asked for.
    `pretrained=False` builds the same architecture without reading weights, to be filled from a checkpoint.

    Raises:
        WeightsError: if there is no such network, its weights cannot be had, or it has no map of a stride.
        MissingExtraError: if the network's library is not installed.
    """
    library, _, name = settings.name.partition("/")
    chosen = settings if pretrained else settings.model_copy(update={"weights": "none"})
    if library in _BUILDERS and name:
        return _BUILDERS[library](name, chosen, strides)
    if ":" in settings.name:
        return callable_body(settings.name, chosen, strides)
    raise WeightsError(
        f"backbone {settings.name!r}: expected torchvision/NAME, timm/NAME, pretrainedmodels/NAME"
        f" or package.module:callable; see `spica backbones`"
    )

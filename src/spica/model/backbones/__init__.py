"""Backbones: any torchvision, timm or pretrainedmodels network, or the user's own, as a body that gives maps."""

from spica.model.backbones.body import Body, Origin
from spica.model.backbones.building import build_body
from spica.model.backbones.catalogue import BackboneInfo, list_backbones

__all__ = ["BackboneInfo", "Body", "Origin", "build_body", "list_backbones"]

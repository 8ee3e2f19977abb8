"""Rendered photos of wheat fields with exact boxes, for demonstrations, tests and pretraining."""

from spica.labels.fields.dataset import render_fields
from spica.labels.fields.field import render_field
from spica.labels.fields.sources import SOURCES, Source

__all__ = ["SOURCES", "Source", "render_field", "render_fields"]

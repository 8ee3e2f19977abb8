"""The report: an evaluation as one page of HTML that needs nothing else, neither files nor a network."""

from spica.report.findings import Findings, findings
from spica.report.page import report_page
from spica.report.photos import sharpness_of, worst_pictures

__all__ = ["Findings", "findings", "report_page", "sharpness_of", "worst_pictures"]

"""The report of a run, report.json, report.md and report.html with the same facts; and pages of several targets."""

from .model import Claim, Curve, CurvePoint, CutRound, DataSummary, ModelRow, Report, Share
from .target_pages import write_target_report
from .write import write_report

__all__ = [
    "Claim",
    "Curve",
    "CurvePoint",
    "CutRound",
    "DataSummary",
    "ModelRow",
    "Report",
    "Share",
    "write_report",
    "write_target_report",
]

"""The report of a run: the same facts as report.json, report.md and one self-contained report.html."""

from .model import Claim, Curve, CurvePoint, CutRound, DataSummary, ModelRow, Report, Share
from .write import write_report

__all__ = ["Claim", "Curve", "CurvePoint", "CutRound", "DataSummary", "ModelRow", "Report", "Share", "write_report"]

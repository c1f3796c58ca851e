from keepiton.detect import detect as detect_disruptions
from keepiton.report.build import build as build_report
from keepiton.storage.reader import read as read

__all__ = ["__version__", "build_report", "detect_disruptions", "read"]

__version__: str

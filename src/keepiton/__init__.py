"""Detects and documents internet disruptions, with evidence that others can check."""

__version__ = "0.1.0"

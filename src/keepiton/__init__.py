"""Detects and documents internet disruptions, with evidence that others can check.

The names in ``__all__`` are the public interface (typed in ``__init__.pyi``); every other module
may change. They are loaded at first use, so that the command line starts quickly.
"""

from importlib import import_module

__version__ = "0.1.0"
__all__ = ["__version__", "build_report", "detect_disruptions", "read"]

_PUBLIC = {
    "build_report": ("keepiton.report.build", "build"),
    "detect_disruptions": ("keepiton.detect", "detect"),
    "read": ("keepiton.storage.reader", "read"),
}
"""Module and name of each public function. ``detect`` itself is the name of a package."""


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, function = _PUBLIC[name]
    return getattr(import_module(module), function)

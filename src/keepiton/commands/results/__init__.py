"""``keepiton results``: the commands in ``options``, what they do in the modules beside it."""

from keepiton.commands.results.options import SHORTS, results

__all__ = ["SHORTS", "results"]

"""Python imports this by itself at start, where PYTHONPATH names this folder."""

import network_guard  # noqa: F401

"""``python -m keepiton``."""

from keepiton.cli import main

main()

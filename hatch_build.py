"""Compiles the gettext catalogues when keepiton is built or installed."""

from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Catalogues(BuildHookInterface[Any]):
    """Writes a ``.mo`` beside every ``.po``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before files are gathered, for a wheel and for an editable install alike."""
        del version
        for source in sorted(Path(self.root).glob("src/keepiton/locale/*/LC_MESSAGES/*.po")):
            with source.open("rb") as file:
                catalogue = read_po(file)
            with source.with_suffix(".mo").open("wb") as file:
                write_mo(file, catalogue)
            build_data["artifacts"].append(
                f"/{source.with_suffix('.mo').relative_to(self.root).as_posix()}"
            )

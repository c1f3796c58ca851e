"""Where data and configuration lie."""

import os
from contextlib import suppress
from pathlib import Path

from keepiton.base.errors import UserError

CONFIG = "keepiton.toml"


def data_folder() -> Path:
    """Return the default data folder. Raises UserError where no home is known."""
    import platformdirs  # noqa: PLC0415 - only where no folder is given

    with suppress(RuntimeError):
        path = platformdirs.user_data_path("keepiton")
        if path.is_absolute():
            return path
    raise UserError("no home folder is known; name the data folder with --data or KEEPITON_DATA")


def user_config() -> Path:
    """Return the user's configuration file, there or not."""
    import platformdirs  # noqa: PLC0415

    try:
        return platformdirs.user_config_path("keepiton") / CONFIG
    except RuntimeError:  # no home is known
        return Path(os.devnull) / CONFIG


def config_files() -> dict[str, Path]:
    """Return where configuration is looked for, there or not, by layer: the nearest last."""
    import platformdirs  # noqa: PLC0415

    system = platformdirs.site_config_path("keepiton") / CONFIG
    return {"system": system, "user": user_config(), "project": Path(CONFIG)}


def configured() -> bool:
    """Tell whether there may be any configuration; if not, nothing more of it is loaded."""
    return any(map(os.path.lexists, config_files().values())) or any(
        name.startswith("KEEPITON_") for name in os.environ
    )

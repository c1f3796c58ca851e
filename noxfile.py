"""Sessions of development, run in the current environment: ``nox -s fast``.

``fast`` before each commit, ``full`` before a merge, ``generate`` after a change of what generated
files are made from, ``bench`` before a release.
"""

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["fast"]
PYTEST = ("pytest", "-n", "2", "--dist", "loadfile")
"""Two at a time, a file in one process: session fixtures are built once."""
BENCHMARKS = ("startup", "report", "storage", "fleet", "probe")
"""Those that need no arguments; ``detection`` and ``watch`` are run by hand."""


@nox.session
def fast(session: nox.Session) -> None:
    """Run the static checks (tests/test_checks.py) and all tests not marked slow."""
    session.run(*PYTEST, "-m", "not slow", *session.posargs)


@nox.session
def full(session: nox.Session) -> None:
    """Everything that the machine allows, like the README's test command."""
    session.run(*PYTEST, *session.posargs)


@nox.session
def generate(session: nox.Session) -> None:
    """Write every generated file; with ``-- --check`` only name those that differ."""
    session.run("python", "tests/generate.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks, or those named: ``nox -s bench -- startup``."""
    for name in session.posargs or BENCHMARKS:
        session.run("python", f"benchmarks/{name}.py")

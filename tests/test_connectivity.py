"""Boundaries of the verdict on the vantage's connectivity, each one control away from the other."""

import pytest

from keepiton.base.connectivity import Connectivity, ControlTally, verdict


@pytest.mark.parametrize(
    ("tally", "expected"),
    [
        (ControlTally(foreign=1), Connectivity.DOWN),
        (ControlTally(foreign=1, foreign_ok=1), Connectivity.UP),
        (ControlTally(foreign=3, foreign_ok=1), Connectivity.DOWN),
        (ControlTally(foreign=3, foreign_ok=2), Connectivity.UP),
        (ControlTally(foreign=3, domestic=1, domestic_ok=1), Connectivity.BORDER),
        (ControlTally(foreign=3, domestic=1), Connectivity.DOWN),
        (ControlTally(foreign=3, unexpected=1), Connectivity.DOWN),
        (ControlTally(foreign=3, unexpected=2), Connectivity.PORTAL),
        (ControlTally(foreign=3, foreign_ok=3, named=1, unresolved=1), Connectivity.UP),
        (ControlTally(foreign=3, foreign_ok=3, named=2, unresolved=1), Connectivity.UP),
        (ControlTally(foreign=3, foreign_ok=3, named=2, unresolved=2), Connectivity.RESOLVER),
    ],
)
def test_the_verdict_changes_at_its_boundary(tally: ControlTally, expected: Connectivity) -> None:
    assert verdict(tally, inside=True) is expected

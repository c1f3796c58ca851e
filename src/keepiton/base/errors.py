"""Apart from the model, so that the command line can know it without loading that."""


class Mistake(Exception):  # noqa: N818 - it is the user's, and not an error of the program
    """What a person wrote is wrong; the message names the thing, the place and the remedy."""

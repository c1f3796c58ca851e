"""Apart from the model, so that the command line can know it without loading that."""


class UserError(Exception):
    """What a person wrote is wrong; the message names the thing, the place and the remedy."""

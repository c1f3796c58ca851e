"""Practice on a make-believe country on loopback: ``world`` is the country, ``story`` the drill."""

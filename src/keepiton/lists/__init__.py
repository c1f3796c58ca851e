"""Target lists, event lists, fingerprints and the do-not-probe list."""

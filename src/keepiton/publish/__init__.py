"""Formats for publication: page, pictures, feed, metrics and disclosure sheets."""

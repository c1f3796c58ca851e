"""Findings: what one run shows of one target, by named rules."""

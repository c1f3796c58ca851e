"""Probing: one module a stage, a chain that joins them, a runner that schedules many."""

"""Commands beyond the core: one module a command."""

"""Says once that a disruption opened, closed, or was told wrongly; pings that a run was done."""

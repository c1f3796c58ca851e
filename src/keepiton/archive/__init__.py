"""Old result files: packing, pruning, verifying, merging and exporting."""

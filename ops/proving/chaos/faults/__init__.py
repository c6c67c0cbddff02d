"""The faults, one concept per file."""

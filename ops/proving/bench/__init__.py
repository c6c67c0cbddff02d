"""Benchmarks: what the platform is measured by, on data that a caller names."""

"""Benchmarks: detection quality, latency, scale and starts, measured on a stack of their own."""

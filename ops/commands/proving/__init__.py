"""Commands that prove something: the demo, benchmarks, faults."""

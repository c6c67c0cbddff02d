"""Load on an HTTP endpoint: signed requests, open and closed loops, interleaved rounds, CPU per process.

Every benchmark of speed measures with it; `ops.proving.chaos` sends its overload with it.
"""

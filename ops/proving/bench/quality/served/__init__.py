"""The test week through the running platform: a stack of its own, a sender, and the slices it sends.

May touch the rooms of `ops` below `ops.proving`, `ops.proving.traffic` and the benchmark's `protocol`; `ml`,
`security` and `tasks.wiring`; the API by HTTP.
"""

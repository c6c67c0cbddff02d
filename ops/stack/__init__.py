"""The whole platform on one machine: its plan, its supervision, its state, and its start in fore- or background.

May touch `ops.embedded`, `ops.processes`, `ops.credentials`, `ml.registry`, `security.artifacts` and `settings`.
"""

"""Whether a transaction's cost depends on how many customers there are, and what more processes and time change."""

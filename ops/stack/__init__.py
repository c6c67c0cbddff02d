"""The whole platform on one machine: what runs, in which order, and the supervisor that keeps it running."""

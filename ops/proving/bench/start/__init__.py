"""The time until processes are ready, and the cost of a model swap under load."""

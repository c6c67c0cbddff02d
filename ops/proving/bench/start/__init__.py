"""How long processes take to become ready, and what a model swap costs under load."""

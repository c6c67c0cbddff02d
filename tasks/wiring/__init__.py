"""Builds a process's connections and stores from the settings, and the scorer over them.

The only place below `web`, `workers` and `ops` that chooses servers and credentials. The clients of Redis and MongoDB
are opened here; those of Kafka by their adapters in `ml.stores`, from what is given to them here.
"""

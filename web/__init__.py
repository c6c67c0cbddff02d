"""The HTTP interface: Flask, a blueprint per resource, and the bridge to the scoring queue."""

"""Debian's Prometheus as people run it: it scrapes a platform for some time, and what it saw is judged.

May touch `ops.stack` and below.
"""

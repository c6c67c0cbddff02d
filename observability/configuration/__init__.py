"""The files that Prometheus, Alertmanager, Grafana and people read, written from the rules and dashboards.

May touch `settings` and, of this room, the rules and dashboards.
"""

"""Grafana's dashboards as data: what each panel shows, in which unit, and what it means.

May touch `settings` and, of this room, the rules.
"""

"""The routes: one blueprint per resource, each a list of operations and the views that answer them.

May touch `web.routing`, the services and every room below them.
"""

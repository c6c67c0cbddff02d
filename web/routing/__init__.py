"""One declaration per route, and what is made of it: checks, direct routes, the OpenAPI document.

May touch the services and every room below them.
"""

"""Each route is declared once, as an operation; its checks, its fast path and the OpenAPI document follow from that.

May touch the services and every room below them.
"""

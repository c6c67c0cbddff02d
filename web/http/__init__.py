"""Requests and answers as such: bodies, parameters, schemas, errors, problem details, headers.

Knows no service and no other room of `web`.
"""

"""Schemas of the API that are not already models of the domain: bodies and parameters, and answers by resource.

May touch `ml`. Answer models are documentation: nothing is validated on the way out, but a test compares real answers.
"""

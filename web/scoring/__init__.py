"""Scoring as admission, dispatch and the views see it: calls, batches, results, and the message that leaves early.

May touch `web.protection` and `web.http`; knows neither admission nor the dispatcher.
"""

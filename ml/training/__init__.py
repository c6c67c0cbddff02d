"""From a history to a model version: rows, fit, measurement, comparison, drift, retraining, report.

May touch everything below it; imports the training libraries, so no server imports it at start.
"""

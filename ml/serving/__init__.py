"""The scoring path of a worker: histories, features, one run of the model, decision, record.

May touch `ml.policy` and below; never training libraries.
"""

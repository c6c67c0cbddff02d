"""The newest model version that any process accepted: no older one is loaded after it.

Kept apart from the registry, so that a copied registry cannot lower it.
"""

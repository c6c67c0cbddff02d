"""Model versions: written, verified, listed, promoted, rolled back.

May touch `ml.serving` and below; `artifacts/` holds the format on disk.
"""

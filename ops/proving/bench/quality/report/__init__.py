"""The results as text and as JSON, and the targets and tolerances that they are compared with.

Measures nothing.
"""

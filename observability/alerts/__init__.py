"""Recording rules and alerts as data: what is measured, from which value it disturbs somebody, and why.

May touch `settings` and nothing else of ours.
"""

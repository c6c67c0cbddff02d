"""The declared features, a module per family: names, reason codes, and the sentence that explains a value.

May touch `ml.features.definition` and `ml.domain`; `ml.features.schema` puts the families in order.
"""

"""The components of the hybrid model, their fusion, and the one ONNX graph they become.

May touch `ml.features` and below; training libraries are imported inside functions.
"""

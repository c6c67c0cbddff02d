"""The components of the hybrid model, their fusion, and the one ONNX graph they become."""

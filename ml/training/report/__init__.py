"""The report of a training: one HTML file with pictures, tables and plain words, for analysts and reviewers.

Figures are drawn by matplotlib and embedded as SVG; the file asks for nothing from elsewhere and needs no script. The
same trained model gives the same bytes. Only what trains imports this package: a server has no drawing library.
"""

from ml.training.report.document import render_report

__all__ = ["render_report"]

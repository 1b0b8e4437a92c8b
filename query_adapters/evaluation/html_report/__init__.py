"""A comparison as one HTML page that needs nothing but a browser."""

from query_adapters.evaluation.html_report.document import Recorded, page_html, write_html

__all__ = ["Recorded", "page_html", "write_html"]

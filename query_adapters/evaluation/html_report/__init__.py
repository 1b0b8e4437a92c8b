"""Write a comparison as one self-contained HTML page."""

from query_adapters.evaluation.html_report.document import Recorded, page_html, write_html

__all__ = ["Recorded", "page_html", "write_html"]

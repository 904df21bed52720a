"""Who may ask what of the web side, how often, and over which kind of connection (docs/web-security.md)."""

from exporter.web.access.access import Access
from exporter.web.access.file import load_rules
from exporter.web.access.guard import Guard

__all__ = ["Access", "Guard", "load_rules"]

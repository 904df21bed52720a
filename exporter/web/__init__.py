"""The web side: a WSGI application and the threaded server that runs it."""

from exporter.web.app import make_app
from exporter.web.server import WebServer, parse_listen_address

__all__ = ["WebServer", "make_app", "parse_listen_address"]

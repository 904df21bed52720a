"""The web side: a WSGI application and the threaded server that runs it."""

from exporter.web.app import make_app
from exporter.web.routes import all_routes
from exporter.web.server import WebServer, parse_listen_address

__all__ = ["WebServer", "all_routes", "make_app", "parse_listen_address"]

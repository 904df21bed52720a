"""Which format and encoding a scraper asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.negotiation import negotiate

FALLBACK = "application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
PROMETHEUS_2 = f"application/openmetrics-text;version=1.0.0,{FALLBACK}"
PROMETHEUS_2_42 = f"application/openmetrics-text;version=1.0.0;q=0.8,{FALLBACK}"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
PROTOBUF_FIRST = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        (PROMETHEUS_2, True),
        (PROMETHEUS_2_42, True),
        (PROMETHEUS_3, True),
        (PROTOBUF_FIRST, True),
        ("text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.3,*/*;q=0.1", False),
        ("text/plain;version=0.0.4,*/*;q=0.1", False),
        ("*/*", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("application/openmetrics-text", True),
        ('Application/OpenMetrics-Text; Version="1.0.0"', True),
        ("application/openmetrics-text;version=0.0.1", False),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=0,text/plain;q=0", False),
        ("text/plain,application/openmetrics-text", False),
        ("application/openmetrics-text,text/plain", True),
        ("application/openmetrics-text;q=0.1,*/*;q=0.5", False),
        ("", False),
        (None, False),
        (";;;q=,,=", False),
    ],
)
def test_the_format_is_the_one_that_the_scraper_prefers(accept, openmetrics):
    """Otherwise Prometheus loses its exemplars, or a browser is offered a download."""
    assert negotiate(accept, None) == (openmetrics, False)


@pytest.mark.parametrize(
    ("accept_encoding", "gzip"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("deflate, GZIP;q=0.5", True),
        ("x-gzip", True),
        ("*", True),
        ("*;q=0.5, gzip;q=0", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip;q=0.5, identity", False),
        ("gzip, identity;q=0.5", True),
        ("identity", False),
        ("br", False),
        ("", False),
        (None, False),
    ],
)
def test_gzip_is_sent_only_to_those_who_take_it(accept_encoding, gzip):
    """Otherwise a client that cannot read gzip gets it, or Prometheus pays for 20 MB at each scrape."""
    assert negotiate(None, accept_encoding) == (False, gzip)


@given(st.text(max_size=60), st.text(alphabet='gzip*;q=01.,eE-+nainf "', max_size=60))
def test_no_header_is_too_odd(accept, accept_encoding):
    """Otherwise a stranger's header is an error page in the middle of the night."""
    assert isinstance(negotiate(accept, accept_encoding), tuple)

"""How one line of the page is spelled."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.metrics.lines import exemplar, header, label_value, number, prefix

NASTY = st.text(st.one_of(st.characters(), st.sampled_from('\\"\n\r\t\x00\x1f\x7f\x85\u2028\u2029\ud800u028{}=, #')), max_size=20)


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        ("role/Deploy", "role/Deploy"),
        ("rôle/Déploie 日本", "rôle/Déploie 日本"),
        ('say "hi"', 'say \\"hi\\"'),
        ("DOMAIN\\user", "DOMAIN\\\\user"),
        ("two\nlines", "two\\nlines"),
        ('"} 1\nforged_total 99\n#', '\\"} 1\\nforged_total 99\\n#'),
        ("carriage\rreturn", "carriage\\\\u000dreturn"),
        ("line\u2028separator", "line\\\\u2028separator"),
        ("\x1b[31mred", "\\\\u001b[31mred"),
        ("lone \ud800 surrogate", "lone \\\\ud800 surrogate"),
        ("looks like \\u2028", "looks like \\\\\\\\u2028"),
        ("", ""),
    ],
)
def test_label_values_are_escaped_as_the_formats_ask_and_controls_made_visible(value, spelled):
    """Otherwise a name chosen by a stranger ends its line and forges the next."""
    assert label_value(value) == spelled


@given(NASTY, NASTY)
def test_two_label_values_never_become_one(first, second):
    """Otherwise a series stands twice on the page, and Prometheus drops samples or the scrape."""
    assert (label_value(first) == label_value(second)) == (first == second)


@given(NASTY)
def test_a_line_stays_one_line_for_every_reader(value):
    """Otherwise a reader that splits lines at more than a line feed sees a forged sample."""
    line = prefix("x_total", ("a", "b"), (value, "end")).decode()
    assert len((line + "1").splitlines()) == 1


@given(NASTY.filter(lambda value: label_value(value).isprintable()))
def test_both_parsers_read_back_the_same_label(value):
    """Otherwise one of the formats tells another name than the store has."""
    line = prefix("x_total", ("a",), (value,)).decode() + "1\n"
    (text,) = parse_text("# HELP x_total h\n# TYPE x_total counter\n" + line)
    (openmetrics,) = parse_openmetrics("# HELP x h\n# TYPE x counter\n" + line + "# EOF\n")
    assert text.samples[0].labels == openmetrics.samples[0].labels
    if label_value(value).replace("\\\\", "\\").replace('\\"', '"').replace("\\n", "\n") == value:
        assert text.samples[0].labels == {"a": value}


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (1690000000.0, "1690000000"),
        (1690000000.25, "1690000000.25"),
        (1e22, "10000000000000000000000"),
        (0.5, "0.5"),
        (-3.0, "-3"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_are_written_in_full(value, spelled):
    """Otherwise a time reads 1.69e+09, and a person cannot."""
    assert number(value) == spelled


def test_a_counter_loses_its_suffix_only_in_the_openmetrics_header():
    """Otherwise OpenMetrics parsers refuse the page, or Prometheus finds no metadata for the text format."""
    assert header("x_total", "counter", "h", openmetrics=False) == b"# HELP x_total h\n# TYPE x_total counter\n"
    assert header("x_total", "counter", "h", openmetrics=True) == b"# HELP x h\n# TYPE x counter\n"
    assert header("x_total", "gauge", "h", openmetrics=True) == b"# HELP x_total h\n# TYPE x_total gauge\n"


def test_help_texts_are_escaped_as_each_format_asks():
    """Otherwise a quote in a help text is read with a backslash before it, or a line feed ends it."""
    assert header("x", "gauge", 'a "b"\\\n', openmetrics=False).startswith(b'# HELP x a "b"\\\\\\n\n')
    assert header("x", "gauge", 'a "b"\\\n', openmetrics=True).startswith(b'# HELP x a \\"b\\"\\\\\\n\n')


def test_an_exemplar_names_the_event_and_its_time():
    """Otherwise a click on the graph leads nowhere."""
    assert exemplar("e" * 36, 1564989391.0) == f' # {{event_id="{"e" * 36}"}} 1 1564989391'
    assert exemplar("e" * 36, None) == f' # {{event_id="{"e" * 36}"}} 1'


def test_an_exemplar_past_128_characters_is_left_out():
    """Otherwise OpenMetrics parsers refuse the whole page."""
    assert exemplar("e" * 120, 1.0) != ""
    assert exemplar("e" * 121, 1.0) == ""

"""`python -m exporter` is the command `aws-change-exporter`."""

from exporter.cli import main

main(prog_name="aws-change-exporter")

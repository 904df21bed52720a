"""`python -m tests.golden` writes the golden pages anew."""

from __future__ import annotations

import sys

from tests.golden.content import FILES, page

for openmetrics, path in FILES.items():
    path.write_bytes(page(openmetrics).encode())
    sys.stdout.write(f"{path}\n")

# The stand-in for AWS of compose.yaml (docs/sandbox.md): for trying the exporter out, no part of a release.

# Any Debian whose python3 is 3.11 or newer.
ARG BASE=debian:trixie-20251020-slim

# hadolint ignore=DL3006
FROM ${BASE} AS system
# Versions are not pinned: security updates replace them, and the one that was pinned is gone from the mirror.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*

FROM system AS build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3-venv && rm -rf /var/lib/apt/lists/*
COPY requirements/sandbox.txt /build/requirements.txt
# An index or an authority of your own comes in as a secret, and stays out of every layer.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 -m venv /opt/sandbox \
 && /opt/sandbox/bin/pip install --no-cache-dir --no-compile --only-binary :all: --require-hashes -r /build/requirements.txt \
 && /opt/sandbox/bin/pip uninstall --yes pip

FROM system
COPY --from=build /opt/sandbox /opt/sandbox
COPY exporter /srv/sandbox/exporter
COPY sandbox /srv/sandbox/sandbox
ENV PATH=/opt/sandbox/bin:/usr/local/bin:/usr/bin:/bin PYTHONPATH=/srv/sandbox PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 65532:65532
EXPOSE 5000
ENTRYPOINT ["python3", "-P", "-m", "sandbox"]

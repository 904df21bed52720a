# The stand-in for AWS of compose.yaml (docs/sandbox.md): for trying the exporter out, no part of a release.
FROM debian:trixie-20251020-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*
COPY requirements/sandbox.txt /build/requirements.txt
RUN python3 -m venv /opt/sandbox \
 && /opt/sandbox/bin/pip install --no-cache-dir --no-compile --require-hashes -r /build/requirements.txt \
 && /opt/sandbox/bin/pip uninstall --yes pip

FROM debian:trixie-20251020-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/sandbox /opt/sandbox
COPY exporter /srv/sandbox/exporter
COPY sandbox /srv/sandbox/sandbox
ENV PATH=/opt/sandbox/bin:$PATH PYTHONPATH=/srv/sandbox PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 65532:65532
EXPOSE 5000
ENTRYPOINT ["python3", "-P", "-m", "sandbox"]

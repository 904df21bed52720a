# The image of aws-change-exporter (docs/container.md). `make image` builds it; by hand:
#   docker build --build-arg VERSION=… --build-arg REVISION="$(git rev-parse HEAD)" -t aws-change-exporter .

# Any Debian, or what derives from it, whose python3 is 3.11 or newer. A release names it by digest.
ARG BASE=debian:trixie-slim

# What every stage has and the image keeps: Python of Debian, certificates of the public authorities, the user.
# hadolint ignore=DL3006
FROM ${BASE} AS system
ENV DEBIAN_FRONTEND=noninteractive
# Versions are not pinned: security updates replace them, and the one that was pinned is gone from the mirror.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache /var/log/* \
 && groupadd --gid 65532 exporter \
 && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /var/lib/aws-change-exporter --no-log-init --shell /usr/sbin/nologin exporter \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && install -d -o 65532 -g 65532 -m 0750 /var/lib/aws-change-exporter

# pip, and what makes the wheel, stay behind in this stage.
FROM system AS build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
# What is installed beside the exporter: requirements/runtime.txt for an image without `query` and PostgreSQL, and 92 MB smaller (206 instead of 298).
ARG REQUIREMENTS=requirements/image.txt
COPY requirements/build.txt ${REQUIREMENTS} requirements/
# An index or an authority of your own comes in as secrets, and stays out of every layer.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca.pem,target=/run/ca.pem \
    python3 -m venv /tools \
 && /tools/bin/pip install --require-hashes -r requirements/build.txt \
 && python3 -m venv --without-pip /opt/aws-change-exporter \
 && /tools/bin/pip --python /opt/aws-change-exporter/bin/python install --no-compile --only-binary :all: --require-hashes -r "${REQUIREMENTS}"
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
ARG VERSION=unknown
# Compiled here, because nothing can be written later; by hash and unchecked, because nothing changes either.
RUN /tools/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheel . \
 && /tools/bin/pip --python /opt/aws-change-exporter/bin/python install --no-compile --no-deps --no-index /wheel/*.whl \
 && if [ "${VERSION}" != unknown ] && [ ! -e "/wheel/aws_change_exporter-${VERSION}-py3-none-any.whl" ]; then \
      echo "VERSION=${VERSION} is not the version of exporter/__init__.py; give that, or leave the argument out" >&2; exit 1; \
    fi \
 && /opt/aws-change-exporter/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/aws-change-exporter/lib

# What is in the image, as it stands in the image: the packages of Debian are those of `system`.
FROM system AS sbom
COPY --from=build /tools /tools
COPY --from=build /opt/aws-change-exporter /opt/aws-change-exporter
COPY tools/sbom.py /tools/sbom.py
ARG SOURCE_DATE_EPOCH
RUN mkdir -p /usr/share/aws-change-exporter \
 && for site in /opt/aws-change-exporter/lib/python3.*/site-packages; do \
      /tools/bin/python -B /tools/sbom.py aws-change-exporter "${site}" > /usr/share/aws-change-exporter/sbom.cdx.json; \
    done

FROM system
COPY --from=build /opt/aws-change-exporter /opt/aws-change-exporter
COPY --from=sbom /usr/share/aws-change-exporter /usr/share/aws-change-exporter
COPY LICENSE /usr/share/doc/aws-change-exporter/copyright
COPY deploy/container/config.yml /etc/aws-change-exporter/config.yml
ENV PATH=/opt/aws-change-exporter/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    AWS_CHANGE_EXPORTER_CONFIG=/etc/aws-change-exporter/config.yml
# A number, so that Kubernetes can tell by itself that it is not root.
USER 65532:65532
# The one place that is written to: the store, and what DuckDB and Python put aside where /tmp cannot be written.
WORKDIR /var/lib/aws-change-exporter
VOLUME /var/lib/aws-change-exporter
EXPOSE 10893
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["/opt/aws-change-exporter/bin/python", "-I", "-m", "exporter.healthcheck"]
ENTRYPOINT ["aws-change-exporter"]
CMD ["serve"]
# Last, so that a new revision alone makes no layer anew.
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="aws-change-exporter" \
      org.opencontainers.image.description="Prometheus exporter for AWS security-group changes: who changed what, when, and what stands open." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

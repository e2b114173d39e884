# The image `tenant-sidecar`: the wheel with its compiled hot path, every dependency from a lock with
# digests, no compiler, no shell at run time. `make image` builds it; docs/howto/container.md runs it.
#
# A release names its base by digest: --build-arg PYTHON_IMAGE=docker.io/library/python@sha256:…
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
# Debian removes versions when it mends them: a pinned compiler could not be fetched next month. It
# stays in this stage.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --no-install-recommends --yes gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source

COPY requirements/build.txt requirements/image.txt requirements/
RUN python -m venv --without-pip /opt/build \
    && pip --python /opt/build install --no-deps --only-binary :all: --require-hashes -r requirements/build.txt \
    && python -m venv --without-pip /opt/sidecar \
    && pip --python /opt/sidecar install --no-deps --only-binary :all: --require-hashes -r requirements/image.txt

# The hook runs mypyc by its name on PATH. The warning, on with -Wall, looks up the column of each `if`
# in 90 MB of mypyc's indentation: most of the time of the compiler, for nothing.
COPY pyproject.toml README.md LICENSE ./
COPY sidecar sidecar
RUN PATH="/opt/build/bin:$PATH" HATCH_BUILD_HOOKS_ENABLE=1 CPPFLAGS=-Wno-misleading-indentation \
    /opt/build/bin/python -m hatchling build -t wheel -d /source/dist \
    && pip --python /opt/sidecar install --no-deps --no-index /source/dist/*.whl

FROM ${PYTHON_IMAGE}
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="tenant-sidecar" \
      org.opencontainers.image.description="A reverse-proxy security sidecar whose whole posture is one YAML policy" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="The Sidecar maintainers" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

# All that it writes: state, audit files, bodies that rules read (/tmp). The rest may be read-only.
RUN install -d -o 65532 -g 65532 -m 0750 /var/lib/sidecar /var/log/sidecar \
    && install -d -m 0755 /etc/sidecar
COPY --from=build /opt/sidecar /opt/sidecar

ENV PATH="/opt/sidecar/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SIDECAR_POLICY=/etc/sidecar/policy.yaml \
    SIDECAR_STATE_DIR=/var/lib/sidecar
USER 65532:65532
WORKDIR /var/lib/sidecar
EXPOSE 8080 9902
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/opt/sidecar/bin/sidecar", "health"]
ENTRYPOINT ["/opt/sidecar/bin/sidecar"]
CMD ["run"]

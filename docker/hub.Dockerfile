# The hub, with PostgreSQL's driver. Build it from the root of the repository:
#   docker build -f docker/hub.Dockerfile -t linli-hub .
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY requirements/bootstrap.txt requirements/postgres.txt requirements/
# What runs has no installer in it; what builds stays behind in this stage.
RUN python -m venv --without-pip /opt/linli \
 && pip --python /opt/linli/bin/python install --require-hashes --only-binary=:all: -r requirements/postgres.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --only-binary=:all: -r requirements/bootstrap.txt
COPY pyproject.toml README.md LICENSE ./
COPY protocols protocols
COPY edge edge
COPY hub hub
COPY simulators simulators
RUN /opt/build/bin/python -m hatchling build -t wheel -d /wheels \
 && pip --python /opt/linli/bin/python install --no-deps --no-index /wheels/*.whl

FROM python:3.13-slim-bookworm AS hub
RUN groupadd --system --gid 10001 linli \
 && useradd --system --uid 10001 --gid linli --home-dir /var/lib/linli --shell /usr/sbin/nologin linli \
 && install -d -o linli -g linli -m 0700 /var/lib/linli
COPY --from=build /opt/linli /opt/linli
ENV PATH=/opt/linli/bin:$PATH PYTHONUNBUFFERED=1 \
    LINLI_DATA_DIR=/var/lib/linli LINLI_HTTP_HOST=0.0.0.0 LINLI_HTTP_PORT=8080
USER 10001:10001
VOLUME /var/lib/linli
EXPOSE 8080
# Alive, not ready: an absent broker or database must not have the hub restarted.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['LINLI_HTTP_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["linli-hub"]
CMD ["serve"]

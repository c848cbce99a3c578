# For simulations only: an edge with scripted sensors, and fleets. A real edge is installed on its Raspberry Pi.
#   docker build -f docker/simulation.Dockerfile --target edge -t linli-edge .
#   docker build -f docker/simulation.Dockerfile --target fleet -t linli-fleet .
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY requirements/bootstrap.txt requirements/edge.txt requirements/sim.txt requirements/
RUN python -m venv --without-pip /opt/linli \
 && pip --python /opt/linli/bin/python install --require-hashes --only-binary=:all: \
      -r requirements/edge.txt -r requirements/sim.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --only-binary=:all: -r requirements/bootstrap.txt
COPY pyproject.toml README.md LICENSE ./
COPY protocols protocols
COPY edge edge
COPY hub hub
COPY simulators simulators
RUN /opt/build/bin/python -m hatchling build -t wheel -d /wheels \
 && pip --python /opt/linli/bin/python install --no-deps --no-index /wheels/*.whl

FROM python:3.13-slim-bookworm AS runtime
RUN groupadd --system --gid 10002 linli \
 && useradd --system --uid 10002 --gid linli --home-dir /var/lib/linli-edge --shell /usr/sbin/nologin linli \
 && install -d -o linli -g linli -m 0700 /var/lib/linli-edge
COPY --from=build /opt/linli /opt/linli
ENV PATH=/opt/linli/bin:$PATH PYTHONUNBUFFERED=1
USER 10002:10002

FROM runtime AS edge
COPY docker/simulation/edge.toml docker/simulation/bin.csv /etc/linli/
VOLUME /var/lib/linli-edge
# Its outbox opens and answers; where the lanes stand is the hub's to judge.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
  CMD ["linli-edge", "outbox", "--json", "--config", "/etc/linli/edge.toml"]
ENTRYPOINT ["linli-edge"]
CMD ["run", "--config", "/etc/linli/edge.toml"]

FROM runtime AS fleet
# A play ends by itself, or with the error that it prints.
HEALTHCHECK NONE
ENTRYPOINT ["linli-sim"]
CMD ["--help"]

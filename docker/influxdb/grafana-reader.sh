#!/bin/bash
# Run once by InfluxDB's image after it has set itself up: Grafana's own user, which may read our bucket and no more.
set -eu
influx v1 auth create --username grafana --password "$(cat /run/secrets/grafana_influx_password)" \
  --org "$DOCKER_INFLUXDB_INIT_ORG" --read-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID" > /dev/null

#!/bin/sh
# Once before the first `docker compose up`: passwords, tokens and certificates, each made only where it is missing.
#   init.sh NAME...      the names or addresses by which nodes reach the broker, the public one first
# LINLI_SECRETS names another folder than `secrets` beside this file.
set -eu

if [ "$#" -lt 1 ]; then
  echo "usage: init.sh NAME...   (such as: init.sh linli.example.org 192.168.1.10)" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
folder=${LINLI_SECRETS:-$here/secrets}

# Nobody but the owner enters the folder; inside, containers read each file they are given, whatever user they run as.
umask 077
mkdir -p "$folder"
chmod 700 "$folder"

keep() {
  if [ ! -s "$folder/$1" ]; then
    printf '%s\n' "$2" > "$folder/$1"
    chmod 644 "$folder/$1"
  fi
}

for name in admin_password broker_admin_password postgres_password influx_admin_password influx_token \
  grafana_admin_password grafana_influx_password probe_password; do
  keep "$name" "$(openssl rand -hex 32)"
done
keep mqtt_url "mqtts://admin:$(cat "$folder/broker_admin_password")@mosquitto:8883"
keep database_url "postgresql://linli:$(cat "$folder/postgres_password")@postgres:5432/linli"

[ -s "$folder/broker.crt" ] || "$here/certificates.sh" "$folder" "$@" mosquitto localhost 127.0.0.1

if [ -z "${LINLI_SECRETS:-}" ] && [ ! -e "$here/.env" ]; then
  sed "s|^LINLI_PUBLIC_HOST=.*|LINLI_PUBLIC_HOST=$1|" "$here/.env.example" > "$here/.env"
  echo "settings in $here/.env"
fi
echo "secrets in $folder: admin_password is for Linli's user admin; ca.crt goes to every node; ca.key belongs offline"

#!/bin/sh
# The broker's first process: at the first start it makes the administrator of identities, then it becomes mosquitto.
# The password is hashed from a file and never stands on a command line. Kept identities are never touched.
set -eu

data=${BROKER_DATA:-/mosquitto/data}
password=${BROKER_ADMIN_PASSWORD_FILE:-/run/secrets/broker_admin_password}
configuration=${BROKER_CONFIGURATION:-/mosquitto/config/mosquitto.conf}
template=${BROKER_IDENTITIES:-/mosquitto/config/dynamic-security.json}
username=admin
identities=$data/dynamic-security.json

umask 077
if [ ! -s "$identities" ]; then
  scratch=$(mktemp)
  trap 'rm -f "$scratch" "$identities.new"' EXIT
  [ -s "$password" ] || { echo "start.sh: $password is empty or missing" >&2; exit 1; }
  printf '%s:%s\n' "$username" "$(cat "$password")" > "$scratch"
  mosquitto_passwd -H sha512-pbkdf2 -U "$scratch"
  # admin:$7$rounds$salt$hash
  IFS='$' read -r _ scheme rounds salt hash < "$scratch"
  if [ "$scheme" != 7 ] || [ "$rounds" != 101 ]; then
    echo "start.sh: mosquitto_passwd hashes in a way the plugin does not read" >&2
    exit 1
  fi
  sed -e "s|\${username}|$username|" -e "s|\${salt}|$salt|" -e "s|\${password_hash}|$hash|" -e 's|\$\$|$|g' \
    "$template" > "$identities.new"
  mv "$identities.new" "$identities"
  rm -f "$scratch"
  trap - EXIT
  echo "start.sh: made the administrator of identities" >&2
fi

exec mosquitto -c "$configuration"

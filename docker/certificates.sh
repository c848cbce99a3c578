#!/bin/sh
# Makes the broker's certificate, signed by an authority of this installation's own. Needs openssl 1.1.1 or newer.
#   certificates.sh FOLDER NAME...      each name a DNS name or an IP address by which clients reach the broker
# The authority (ca.key, ca.crt) is made once and kept; every run makes a new key and certificate for the broker.
set -eu

if [ "$#" -lt 2 ]; then
  echo "usage: certificates.sh FOLDER NAME..." >&2
  exit 2
fi
folder=$1
shift

names=
for name in "$@"; do
  case $name in
    *[!A-Za-z0-9.:-]*) echo "certificates.sh: $name is no DNS name and no IP address" >&2; exit 2 ;;
    *:*) kind=IP ;;
    *[!0-9.]*) kind=DNS ;;
    *) kind=IP ;;
  esac
  names="${names:+$names,}$kind:$name"
done

umask 077
mkdir -p "$folder"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [ ! -e "$folder/ca.key" ]; then
  cat > "$scratch/ca.cnf" <<'CONFIGURATION'
[req]
distinguished_name = subject
x509_extensions = authority
prompt = no
[subject]
CN = Linli broker authority
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
CONFIGURATION
  openssl req -x509 -config "$scratch/ca.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 3650 \
    -keyout "$scratch/ca.key" -out "$scratch/ca.crt" 2> "$scratch/said" || { cat "$scratch/said" >&2; exit 1; }
  mv "$scratch/ca.crt" "$folder/ca.crt"
  mv "$scratch/ca.key" "$folder/ca.key"
fi

cat > "$scratch/broker.cnf" <<CONFIGURATION
[req]
distinguished_name = subject
prompt = no
[subject]
CN = $1
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = $names
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CONFIGURATION
{
  openssl req -new -config "$scratch/broker.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 \
    -keyout "$scratch/broker.key" -out "$scratch/broker.csr" &&
  openssl x509 -req -in "$scratch/broker.csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" \
    -set_serial "0x$(openssl rand -hex 16)" -sha256 -days 825 \
    -extfile "$scratch/broker.cnf" -extensions server -out "$scratch/broker.crt"
} 2> "$scratch/said" || { cat "$scratch/said" >&2; exit 1; }

# Containers read these under a user id of their own; who may enter the folder guards the private key.
chmod 644 "$scratch/broker.key" "$scratch/broker.crt" "$folder/ca.crt"
mv "$scratch/broker.key" "$folder/broker.key"
mv "$scratch/broker.crt" "$folder/broker.crt"
echo "broker certificate for $names, good for 825 days, in $folder"

#!/bin/sh
# Make the secret that seals the URLs of sources, unless the vault has it already.
set -eu
: "${KEY_VAULT_NAME:?azd sets it from the outputs of main.bicep}"

if az keyvault secret show --vault-name "$KEY_VAULT_NAME" --name source-url-key --query id --output none 2>/dev/null; then
  exit 0
fi

umask 077
file=$(mktemp)
trap 'rm -f "$file"' EXIT
openssl rand -base64 32 | tr '+/' '-_' | tr -d '\n' >"$file"

# a role that was just given takes minutes to count
tries=0
until az keyvault secret set --vault-name "$KEY_VAULT_NAME" --name source-url-key --file "$file" --encoding utf-8 --output none; do
  tries=$((tries + 1))
  [ "$tries" -lt 10 ] || exit 1
  sleep 30
done

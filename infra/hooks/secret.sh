#!/bin/sh
# Make the secret that seals the URLs of sources, unless the vault has it already, and let the app
# read it. Through the resource manager: that takes no role on the data of the vault and no way into
# a private network.
set -eu
. "$(dirname "$0")/common.sh"
: "${KEY_VAULT_NAME:?is not set: azd and the outputs of the templates give it}"
: "${AZURE_FUNCTION_NAME:?is not set: azd and the outputs of the templates give it}"

vault="$group/providers/Microsoft.KeyVault/vaults/$KEY_VAULT_NAME"
app="$group/providers/Microsoft.Web/sites/$AZURE_FUNCTION_NAME"

# a list tells a secret that is not there from a vault that could not be asked: then this stops
count=0
page="$vault/secrets?api-version=2024-11-01"
while [ -n "$page" ] && [ "$count" = 0 ]; do
  answer=$(manage get "$page" --output tsv \
    --query "join(' ', [to_string(length(value[?name=='source-url-key'])), nextLink || ''])")
  count=${answer%% *}
  page=${answer#"$count"}
  page=${page# }
  case $count in
    '' | *[!0-9]*)
      echo "the list of secrets cannot be read: $answer" >&2
      exit 1
      ;;
  esac
done

if [ "$count" = 0 ]; then
  umask 077
  file=$(mktemp)
  trap 'rm -f "$file"' EXIT
  printf '{"properties": {"value": "%s"}}' "$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')" >"$file"
  patiently 5 manage put "$vault/secrets/source-url-key?api-version=2024-11-01" --body "@$file" --output none
fi

# a reference that was read before its secret was there stays unread for a day
patiently 5 manage post "$app/config/configreferences/appsettings/refresh?api-version=2022-03-01" --output none

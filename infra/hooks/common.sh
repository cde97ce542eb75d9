# What the hooks share: the subscription that they work in, and patience. Sourced, not run.

: "${AZURE_SUBSCRIPTION_ID:?is not set: azd and the outputs of the templates give it}"
: "${AZURE_RESOURCE_GROUP:?is not set: azd and the outputs of the templates give it}"

if ! az account show --subscription "$AZURE_SUBSCRIPTION_ID" --output none; then
  echo "az is not signed in to the subscription $AZURE_SUBSCRIPTION_ID: run az login, or set AZURE_SUBSCRIPTION_ID" >&2
  exit 1
fi

# patiently TRIES COMMAND...: run the command until it succeeds and print what it says; a refusal
# for want of a role is final
patiently() {
  tries=$1
  shift
  while ! said=$("$@" 2>&1); do
    printf '%s\n' "$said" >&2
    case $said in
      *AuthorizationFailed* | *Forbidden*)
        echo "the signed-in account has no role for this: docs/deploy.md names the roles" >&2
        return 1
        ;;
    esac
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep "${HOOK_PAUSE_SECONDS:-30}"
  done
  printf '%s\n' "$said"
}

# manage METHOD PATH ARGUMENT...: ask the resource manager
manage() {
  method=$1
  url=$2
  shift 2
  az rest --subscription "$AZURE_SUBSCRIPTION_ID" --only-show-errors --method "$method" --url "$url" "$@"
}

group="/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/$AZURE_RESOURCE_GROUP"

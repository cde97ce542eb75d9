# What the hooks share: the subscription that they work in, and patience. Dot-sourced, not run.

function Assert-Set([string[]] $Names) {
    foreach ($name in $Names) {
        if (-not [Environment]::GetEnvironmentVariable($name)) {
            throw "$name is not set: azd and the outputs of the templates give it"
        }
    }
}

Assert-Set 'AZURE_SUBSCRIPTION_ID', 'AZURE_RESOURCE_GROUP'
az account show --subscription $env:AZURE_SUBSCRIPTION_ID --output none
if ($LASTEXITCODE -ne 0) {
    throw "az is not signed in to the subscription ${env:AZURE_SUBSCRIPTION_ID}: run az login, or set AZURE_SUBSCRIPTION_ID"
}

# Run a command until it succeeds; a refusal for want of a role is final.
function Invoke-Patiently([int] $Tries, [scriptblock] $Command) {
    # what az writes to its error stream is told by its exit code, not as an exception
    $ErrorActionPreference = 'Continue'
    $pause = if ($env:HOOK_PAUSE_SECONDS) { $env:HOOK_PAUSE_SECONDS } else { 30 }
    while ($true) {
        $said = (& $Command 2>&1 | Out-String)
        if ($LASTEXITCODE -eq 0) { return $said }
        Write-Host $said
        if ($said -match 'AuthorizationFailed|Forbidden') {
            throw 'the signed-in account has no role for this: docs/deploy.md names the roles'
        }
        $Tries--
        if ($Tries -le 0) { throw 'given up' }
        Start-Sleep -Seconds $pause
    }
}

$group = "/subscriptions/$env:AZURE_SUBSCRIPTION_ID/resourceGroups/$env:AZURE_RESOURCE_GROUP"

# Make the secret that seals the URLs of sources, unless the vault has it already, and let the app
# read it. Through the resource manager: that takes no role on the data of the vault and no way into
# a private network.
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot/common.ps1"
Assert-Set 'KEY_VAULT_NAME', 'AZURE_FUNCTION_NAME'

$vault = "$group/providers/Microsoft.KeyVault/vaults/$env:KEY_VAULT_NAME"
$app = "$group/providers/Microsoft.Web/sites/$env:AZURE_FUNCTION_NAME"

# a list tells a secret that is not there from a vault that could not be asked: then this stops
$names = @()
$page = "$vault/secrets?api-version=2024-11-01"
while ($page) {
    $answer = az rest --subscription $env:AZURE_SUBSCRIPTION_ID --only-show-errors --method get --url $page --output json
    if ($LASTEXITCODE -ne 0) { throw 'the list of secrets cannot be read' }
    $list = $answer | Out-String | ConvertFrom-Json
    $names += @($list.value | ForEach-Object { $_.name })
    $page = $list.nextLink
}

if ($names -notcontains 'source-url-key') {
    $key = [byte[]]::new(32)
    [System.Security.Cryptography.RandomNumberGenerator]::Fill($key)
    $text = [Convert]::ToBase64String($key).Replace('+', '-').Replace('/', '_')
    $file = New-TemporaryFile
    try {
        [IO.File]::WriteAllText($file, (@{ properties = @{ value = $text } } | ConvertTo-Json))
        Invoke-Patiently 5 {
            az rest --subscription $env:AZURE_SUBSCRIPTION_ID --only-show-errors --method put `
                --url "$vault/secrets/source-url-key?api-version=2024-11-01" --body "@$file" --output none
        }
    }
    finally {
        Remove-Item $file
    }
}

# a reference that was read before its secret was there stays unread for a day
Invoke-Patiently 5 {
    az rest --subscription $env:AZURE_SUBSCRIPTION_ID --only-show-errors --method post `
        --url "$app/config/configreferences/appsettings/refresh?api-version=2022-03-01" --output none
}

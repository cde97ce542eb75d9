# Make the secret that seals the URLs of sources, unless the vault has it already.
$ErrorActionPreference = 'Stop'
if (-not $env:KEY_VAULT_NAME) { throw 'KEY_VAULT_NAME is not set; azd sets it from the outputs of main.bicep' }

az keyvault secret show --vault-name $env:KEY_VAULT_NAME --name source-url-key --query id --output none 2>$null
if ($LASTEXITCODE -eq 0) { exit 0 }

$key = [byte[]]::new(32)
[System.Security.Cryptography.RandomNumberGenerator]::Fill($key)
$file = New-TemporaryFile
try {
    $text = [Convert]::ToBase64String($key).Replace('+', '-').Replace('/', '_')
    [IO.File]::WriteAllText($file, $text)
    # a role that was just given takes minutes to count
    for ($try = 0; $try -lt 10; $try++) {
        az keyvault secret set --vault-name $env:KEY_VAULT_NAME --name source-url-key --file $file --encoding utf-8 --output none
        if ($LASTEXITCODE -eq 0) { exit 0 }
        Start-Sleep -Seconds 30
    }
    exit 1
}
finally {
    Remove-Item $file
}

/** What the function app tells the console before anybody is signed in. */

export interface Config {
  authority: string;
  knownAuthority: string;
  clientId: string | null;
  scope: string;
  apiVersion: string;
  blobOrigin: string | null;
  isLocal: boolean;
}

export async function readConfig(): Promise<Config> {
  const response = await fetch(`${import.meta.env.BASE_URL}config.json`);
  if (!response.ok) throw new Error(`config.json: ${response.status}`);
  return (await response.json()) as Config;
}

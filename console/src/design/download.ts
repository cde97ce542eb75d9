/** Files outside of the console, by links that the service has made. */

const SAFE = /^https?:$/;

/** Have the browser fetch a file; its storage says that it is to be kept, not shown. */
export function download(link: string): void {
  const { protocol, href } = new URL(link);
  if (!SAFE.test(protocol)) throw new Error(`The service named no address of the web: ${protocol}`);
  const anchor = document.createElement('a');
  anchor.href = href;
  anchor.rel = 'noreferrer';
  anchor.click();
}

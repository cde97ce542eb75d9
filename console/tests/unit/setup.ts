/** What modules of the console find at their import in a browser. */

Object.assign(globalThis, { location: new URL('https://console.example/console/') });

export function Collection() { return null; }

export function NewDeployment() { return null; }

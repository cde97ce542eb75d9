/** The names of operations as sentences, as far as they can be told from the names. */

export function actionText(action: string): string {
  const words = action.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

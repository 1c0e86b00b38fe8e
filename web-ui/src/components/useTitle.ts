import { useDocumentTitle } from '@mantine/hooks';

/** Name the view in the browser's tab and history: what it shows first, for a tab has little room. */
export function useTitle(title: string): void {
  useDocumentTitle(`${title} · Sightgate`);
}

/** The device classes, for those who may see them. */

import { useQuery } from '@tanstack/react-query';
import { classesQuery } from '../api/queries';
import { useInstance, useMay } from './me';

export function useClasses() {
  const instance = useInstance();
  const { isAllowed } = useMay('management/read');
  return useQuery({ ...classesQuery(instance), enabled: isAllowed });
}

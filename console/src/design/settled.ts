import { useEffect, useState } from 'react';

/** A value once it has not changed for a moment. */
export function useSettled(value: string, typingMs = 600): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), typingMs);
    return () => clearTimeout(timer);
  }, [value, typingMs]);
  return settled;
}

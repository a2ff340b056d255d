import { useEffect, useState } from "react";

/** A value once it has stayed the same for a moment, so that each key pressed asks nothing.
 *
 * It is compared by its JSON. */
export function useSettled<T>(value: T, ms = 250): T {
  const [settled, setSettled] = useState(value);
  const text = JSON.stringify(value);
  useEffect(() => {
    const timer = window.setTimeout(() => setSettled(JSON.parse(text) as T), ms);
    return () => window.clearTimeout(timer);
  }, [text, ms]);
  return settled;
}

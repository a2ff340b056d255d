import { useState } from "react";

import type { Convention } from "./planes";

const KEY = "fr-sides";

/** The convention of the sides, kept for the next time in this browser. */
export function useConvention(): [Convention, (to: Convention) => void] {
  const [convention, setConvention] = useState<Convention>(() =>
    localStorage.getItem(KEY) === "neurological" ? "neurological" : "radiological",
  );
  return [
    convention,
    (to) => {
      localStorage.setItem(KEY, to);
      setConvention(to);
    },
  ];
}

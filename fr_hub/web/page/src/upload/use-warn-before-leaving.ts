import { useEffect } from "react";

import type { Uploads } from "./uploads";

/** Uploads go on in other parts of the page, but not when it is closed. */
export function useWarnBeforeLeaving(uploads: Uploads) {
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (uploads.busy) event.preventDefault();
    };
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [uploads]);
}

import { useRouteError } from "react-router";

import { Button } from "../parts/button";
import { Note } from "../parts/note";

/** Shown when a part of the page cannot be loaded or breaks. */
export function FailedPart() {
  const error = useRouteError();
  const isLoading = error instanceof TypeError && /import|fetch|module/i.test(error.message);
  return (
    <main className="content">
      <Note
        tone="bad"
        action={<Button onClick={() => window.location.reload()}>Reload the page</Button>}
      >
        {isLoading
          ? "This part of the page cannot be loaded: Fr does not answer, or has been updated. Reload the page."
          : "An unexpected error occurred on this page. Reload it; if it happens again, tell an administrator what you did."}
      </Note>
    </main>
  );
}

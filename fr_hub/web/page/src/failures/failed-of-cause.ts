import { api, call } from "../api/client";

const PAGE = 500;

/** What the API calls the cause of scans that name none. */
const UNKNOWN = "unknown";

/** Keys of the scans that are failed now for this cause, all of them. */
export async function failedOfCause(cause: string): Promise<string[]> {
  const keys: string[] = [];
  let after: string | undefined;
  do {
    const query = { state: ["failed" as const], limit: PAGE, ...(after && { after }) };
    const page = await call(api.GET("/api/v1/scans", { params: { query } }));
    keys.push(
      ...page.items.filter((scan) => (scan.cause ?? UNKNOWN) === cause).map((scan) => scan.key),
    );
    after = page.next ?? undefined;
  } while (after);
  return keys;
}
